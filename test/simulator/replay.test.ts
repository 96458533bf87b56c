/** Nodes made of snapshots. */
import { join } from 'node:path'
import t from 'tap'
import type { Snapshot } from '../../lib/index.js'
import { models, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { fillWithInstances, onNode, replayed, roundTrip, snapshotFrom, snapshotOf, throughJson } from '../helpers/snapshots.js'

const DRIVERS = ['450', '470', '525', '550', '580']

/** Whether a release is one that plays the model at all. */
async function made(request: SimulateOptions, prepare?: Parameters<typeof snapshotFrom>[1]): Promise<Snapshot | undefined> {
  try {
    return await snapshotFrom(request, prepare)
  } catch (error) {
    if (error instanceof RangeError && /needs driver/.test(error.message)) return undefined
    throw error
  }
}

for (const driver of DRIVERS) {
  t.test(`every model, on R${driver}`, async t => {
    let trips = 0
    for (const model of models) {
      // Two alike, numbered differently; fill for what nobody recorded of some boards.
      const request = { gpus: [{ model, giNumbering: 'swapped' as const }, model], driver, fill: 'derived' as const }
      const empty = await made(request)
      if (!empty) continue
      // Where no profile can be read with MIG off, they are the row's, and those may have to be filled again.
      await roundTrip(t, `${model} with MIG off`, empty, empty.gpus[0]!.profiles === null ? { fill: 'derived' } : {})
      const full = await snapshotFrom(request, async nvml => {
        for (const gpu of nvml.gpus) await fillWithInstances(gpu)
      })
      t.ok(
        full.gpus.every(gpu => gpu.gpuInstances!.length > 0 || gpu.profiles!.every(each => each.placements!.length === 0)),
        model
      )
      await roundTrip(t, `${model} with instances`, full)
      trips += 2
    }
    t.ok(trips > 0)
    t.comment(`${trips} round trips`)
  })
}

t.test('boards of several kinds, modes and makes', async t => {
  const request: SimulateOptions = {
    gpus: [
      'A100-SXM4-40GB',
      'H100-SXM5-80GB',
      { model: 'A30', giNumbering: 'swapped' },
      { model: 'H100-NVL-94GB', variant: 'mid-2024' },
      'A30'
    ]
  }
  const snapshot = await snapshotFrom(request, async (nvml, node) => {
    await nvml.gpu(2).setMigMode(true)
    const instance = await nvml.gpu(2).createGpuInstance('2g.12gb', { start: 2 })
    await instance.createComputeInstance('1c.2g.12gb', { start: 1 })
    await instance.createComputeInstance('1c.2g.12gb', { start: 0 })
    await fillWithInstances(nvml.gpu(3))
    // In use, so that the change of its mode stays pending.
    node.startClient({ gpu: 4 })
    await nvml.gpu(4).setMigMode(true)
  })
  t.same(
    snapshot.gpus.map(({ migMode }) => migMode),
    [
      { current: false, pending: false },
      { current: false, pending: false },
      { current: true, pending: true },
      { current: true, pending: true },
      { current: false, pending: true }
    ]
  )
  await roundTrip(t, 'all at once', snapshot)
  const node = await simulate({ from: snapshot })
  t.teardown(() => node.close())
  t.same(
    node.gpus.map(({ model, giNumbering }) => [model, giNumbering]),
    [
      ['A100-SXM4-40GB', 'straight'],
      ['H100-SXM5-80GB', 'straight'],
      ['A30', 'swapped'],
      ['H100-NVL-94GB', 'straight'],
      ['A30', 'straight']
    ]
  )
})

t.test('the names and counts of a node that speaks dialects', async t => {
  const dialects = { plainMigNames: true, misreportedCounts: true }
  const snapshot = await snapshotFrom({ gpus: ['A30'], dialects }, nvml => fillWithInstances(nvml.gpu(0)))
  t.equal(snapshot.gpus[0]!.profiles!.find(({ name }) => name === '1g.6gb+me')!.maxInstances, 4)
  await roundTrip(t, 'without asking for them', snapshot)
})

t.test('a compute instance keeps its id, its place and its UUID', async t => {
  const snapshot = await snapshotFrom({ gpus: ['A100-SXM4-40GB'] }, async nvml => {
    await nvml.gpu(0).setMigMode(true)
    const instance = await nvml.gpu(0).createGpuInstance('4g.20gb')
    const [first] = [await instance.createComputeInstance('1c.4g.20gb'), await instance.createComputeInstance('2c.4g.20gb')]
    await first!.destroy()
  })
  const [compute] = snapshot.gpus[0]!.gpuInstances![0]!.computeInstances!
  t.match(compute, { id: 1 })
  await roundTrip(t, 'its id is not the lowest free one', snapshot)
  // A board hashes in its own way: no UUID here is one that the simulator would derive.
  const foreign = throughJson(snapshot)
  const uuid = 'MIG-01234567-89ab-cdef-0123-456789abcdef'
  foreign.gpus[0]!.migDevices![0]!.uuid = uuid
  foreign.gpus[0]!.gpuInstances![0]!.computeInstances![0]!.uuid = uuid
  const node = await simulate({ from: foreign })
  t.teardown(() => node.close())
  await onNode(node, async nvml => {
    const mig = (await nvml.find(uuid))!
    t.match(mig, { gpuInstanceId: foreign.gpus[0]!.gpuInstances![0]!.id, computeInstanceId: 1 })
    await mig.destroy()
    const again = await nvml.gpu(0).createGpuInstance('4g.20gb')
    const second = await again.createComputeInstance('2c.4g.20gb', { start: compute!.placement!.start })
    t.equal((await second.device()).uuid, uuid, 'and has it again when it is made again')
  })
})

t.test('a node lives on from there', async t => {
  const from = await snapshotFrom({ gpus: ['A100-SXM4-40GB'], driver: '470' }, nvml => fillWithInstances(nvml.gpu(0)))
  const node = await simulate({ from })
  t.teardown(() => node.close())
  await onNode(node, async nvml => {
    for (const instance of await nvml.gpu(0).instances()) await instance.destroy({ force: true })
    await nvml.gpu(0).create('7g.40gb')
    t.equal((await nvml.gpu(0).devices()).length, 1)
  })
  node.check()
})

t.test('what a snapshot could not read', async t => {
  await t.test('profiles, before R550: those of the row', async t => {
    const from = await snapshotFrom({ gpus: ['A100-SXM4-40GB'], driver: '535' })
    t.equal(from.gpus[0]!.profiles, null)
    const node = await simulate({ from })
    t.teardown(() => node.close())
    await onNode(node, async nvml => {
      await nvml.gpu(0).setMigMode(true)
      t.match(await nvml.gpu(0).profiles(), [{ name: '1g.5gb', memoryMiB: 4864 }])
    })
  })
  await t.test('and of a row that is not complete, if they may be derived', async t => {
    const from = await snapshotFrom({ gpus: ['H100-SXM5-64GB'], driver: '535', fill: 'derived' })
    await t.rejects(simulate({ from }), {
      name: 'SimulatorError',
      code: 'UNKNOWN_FIGURES',
      message: /^simulate: from\.gpus\[0\]\.profiles is null \(NOT_SUPPORTED\), and of H100-SXM5-64GB nobody recorded .*MIG on$/
    })
    const node = await simulate({ from, fill: 'derived' })
    t.teardown(() => node.close())
    t.ok(node.gpus[0]!.filled.length > 0)
    t.notOk(
      node.gpus[0]!.filled.some(({ figure }) => figure === 'bar1TotalMiB'),
      'what the snapshot tells is not filled'
    )
  })
  await t.test('without root’s rights', async t => {
    const unprivileged = (prepare: Parameters<typeof snapshotFrom>[1]) =>
      snapshotFrom({ gpus: ['A100-SXM4-40GB'] }, async (nvml, node) => {
        await nvml.gpu(0).setMigMode(true)
        await prepare?.(nvml, node)
        node.setPrivileged(false)
      })
    const empty = await unprivileged(async () => {})
    t.equal(empty.gpus[0]!.memory, null)
    await roundTrip(t, 'read again by somebody without them', empty, { privileged: false })
    const root = await replayed(empty)
    t.match(
      root.gpus[0],
      { memory: { totalMiB: 40960 }, profiles: [{ name: '1g.5gb', placements: { length: 7 } }] },
      'the row has the rest'
    )
    const busy = await unprivileged(nvml => nvml.gpu(0).create('1g.5gb'))
    await t.rejects(simulate({ from: busy }), {
      message:
        'simulate: from.gpus[0] has 1 MIG devices, and where they lie is not in the snapshot (NO_PERMISSION): ' +
        'take it as root, who may see instances'
    })
  })
})

t.test('the rest of a request', async t => {
  const from = await snapshotFrom({ gpus: ['A30'] }, nvml => fillWithInstances(nvml.gpu(0)))
  await t.test('a directory is taken again by an equal one', async t => {
    const dir = join(t.testdir(), 'node')
    await (await simulate({ from, dir })).close()
    const again = await simulate({ from: throughJson(from), dir })
    t.strictSame(await snapshotOf(again), from)
    const noted = { ...from, takenAt: '2026-01-01T00:00:00Z' }
    await (await simulate({ from: noted, dir })).close()
    const other = throughJson(from)
    other.gpus[0]!.serial = '1'
    for (const [request, why] of [
      [{ from: other, dir }, 'made of another snapshot'],
      [{ gpus: ['A30'], dir }, 'made of a snapshot, not of models']
    ] as const) {
      await t.rejects(simulate(request), {
        code: 'DIFFERENT_NODE',
        message: `${dir} holds another node: ${why}. Ask for that one, or choose another directory.`
      })
    }
  })
  await t.test('rights and dialects go with it, what it tells does not', async t => {
    const node = await simulate({ from, privileged: false, dialects: { migIndexHoles: true } })
    t.teardown(() => node.close())
    await t.rejects(
      onNode(node, nvml => nvml.gpu(0).instances()),
      { code: 'NO_PERMISSION' }
    )
    for (const told of [{ gpus: ['A30'] }, { driver: '550' }]) {
      const [name] = Object.keys(told)
      await t.rejects(simulate({ from, ...told }), {
        name: 'TypeError',
        message: new RegExp(`^simulate: ${name} is in the snapshot; beside from there can be dir, `)
      })
    }
  })
})
