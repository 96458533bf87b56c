/** Nodes made of snapshots. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { GpuInstanceProfileSnapshot, GpuSnapshot, Snapshot } from '../../lib/index.js'
import { models, type SimulateOptions, SimulatorError, simulate } from '../../lib/simulator/index.js'
import { fillWithInstances, onNode, snapshotFrom, snapshotOf, throughJson } from '../helpers/snapshots.js'

/** The snapshot of the node that a snapshot was made into. */
async function replayed(from: Snapshot, options: Omit<SimulateOptions, 'from'> = {}): Promise<Snapshot> {
  const node = await simulate({ from: throughJson(from), ...options })
  try {
    node.check()
    return await snapshotOf(node)
  } finally {
    await node.close()
  }
}

async function roundTrip(t: Test, what: string, snapshot: Snapshot, options: Omit<SimulateOptions, 'from'> = {}): Promise<void> {
  t.strictSame(await replayed(snapshot, options), snapshot, what)
}

const DRIVERS = ['450', '470', '525', '550', '580', '595']

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
    const instance = await nvml.gpu(2).createGpuInstance('4g.24gb')
    await instance.createComputeInstance('1c.4g.24gb', { start: 3 })
    await instance.createComputeInstance('1c.4g.24gb', { start: 1 })
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

const engines = { copy: 2, decoder: 1, encoder: 0, jpeg: 1, opticalFlow: 0 }

/** A profile of an imaginary board, as a driver might report one. */
function profile(name: string, values: Partial<GpuInstanceProfileSnapshot> & { slices: number; starts: number[]; size: number }) {
  const { slices, starts, size, ...rest } = values
  return {
    name,
    reportedName: `MIG ${name}`,
    slices,
    memoryMiB: 20_000 * size,
    multiprocessors: 20 * slices,
    engines,
    maxInstances: starts.length,
    p2p: true,
    capabilities: 1,
    placements: starts.map(start => ({ start, size })),
    remaining: 0,
    computeInstanceProfiles: null,
    ...rest
  } as GpuInstanceProfileSnapshot
}

const imaginary = (gpu: Partial<GpuSnapshot> = {}, driver: Partial<Snapshot['driver']> = {}): Snapshot => ({
  format: 'nvml-mig-snapshot/1',
  driver: { version: '580.105.08', nvml: '13.580.105.08', cuda: '13.0', unavailable: {}, ...driver },
  gpus: [
    {
      index: 0,
      uuid: 'GPU-00112233-4455-6677-8899-aabbccddeeff',
      name: 'NVIDIA X999',
      serial: null,
      pciBusId: '0001:C1:00.0'.padStart(16, '0'),
      pciDeviceId: '0x7FFF10DE',
      pciSubSystemId: '0x7FFE10DE',
      minorNumber: 3,
      boardPartNumber: null,
      vbiosVersion: '99.00.01.00.01',
      brand: 'NVIDIA',
      architecture: 'Rubin',
      computeCapability: '11.0',
      memoryTotalMiB: 160_000,
      bar1TotalMiB: 262_144,
      migCapable: true,
      migMode: { current: true, pending: true },
      maxMigDevices: 4,
      profiles: [
        profile('1g.20gb', { id: 30, slot: 0, slices: 1, starts: [0, 1, 2, 3], size: 1 }),
        profile('4g.80gb', {
          id: 31,
          slot: 3,
          slices: 4,
          starts: [0],
          size: 4,
          computeInstanceProfiles: [
            {
              name: '1c.4g.80gb',
              reportedName: 'MIG 1c.4g.80gb',
              id: 5,
              slot: 0,
              slices: 1,
              multiprocessors: 20,
              engines,
              maxInstances: 4,
              capabilities: 0,
              placements: [0, 1, 2, 3].map(start => ({ start, size: 1 }))
            }
          ]
        })
      ],
      gpuInstances: [
        {
          id: 0,
          profile: '4g.80gb',
          profileId: 31,
          placement: { start: 0, size: 4 },
          computeInstances: [
            {
              id: 2,
              profile: '1c.4g.80gb',
              profileId: 5,
              placement: { start: 1, size: 1 },
              uuid: 'MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
              index: 0,
              name: 'NVIDIA X999 MIG 1c.4g.80gb'
            }
          ],
          unavailable: {}
        }
      ],
      migDevices: [
        {
          uuid: 'MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
          index: 0,
          name: 'NVIDIA X999 MIG 1c.4g.80gb',
          profile: '1c.4g.80gb',
          gpuInstanceId: 0,
          computeInstanceId: 2,
          memoryMiB: 80_000,
          gpuInstanceSlices: 4,
          computeInstanceSlices: 1,
          multiprocessors: 20,
          engines,
          unavailable: {}
        }
      ],
      unavailable: {
        serial: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetSerial' },
        boardPartNumber: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetBoardPartNumber' }
      },
      ...gpu
    }
  ]
})

t.test('a board that the simulator has no row of', async t => {
  await roundTrip(t, 'all that a snapshot tells', imaginary())
  const node = await simulate({ from: imaginary() })
  t.teardown(() => node.close())
  t.match(node.gpus[0], { model: 'NVIDIA X999', name: 'NVIDIA X999', serial: '', pciBusId: '00000001:C1:00.0' })
  t.same(
    node.gpus[0]!.filled.map(({ figure, of, value }) => [figure, of, value]),
    [
      ['computeInstances', '1g.20gb', '1c'],
      ['computeMultiprocessors', '1g.20gb of 1g.20gb', 20]
    ],
    'what no driver tells of what does not live is computed, and named'
  )
  await onNode(node, async nvml => {
    const gpu = nvml.gpu(0)
    await (await gpu.instances())[0]!.destroy({ force: true })
    for (let i = 0; i < 4; i++) await gpu.create('1g.20gb')
    t.equal((await gpu.devices()).length, 4)
  })
})

t.test('a driver newer than the simulator knows, and a slot past its last', async t => {
  const [gpu] = imaginary().gpus
  const profiles = [...gpu!.profiles!, profile('2g.40gb+new', { id: 99, slot: 40, slices: 2, starts: [0, 2], size: 2 })]
  await roundTrip(t, 'played as the newest is', imaginary({ profiles }, { version: '700.10', nvml: '14.700.10', cuda: '15.1' }))
})

t.test('a GPU without MIG beside one that has it', async t => {
  const { gpus } = imaginary({
    name: 'NVIDIA T4',
    architecture: 'Turing',
    computeCapability: '7.5',
    brand: 'Tesla',
    migCapable: false,
    migMode: null,
    maxMigDevices: 0,
    profiles: [],
    gpuInstances: [],
    migDevices: [],
    unavailable: {
      serial: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetSerial' },
      boardPartNumber: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetBoardPartNumber' },
      migMode: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetMigMode' }
    }
  })
  const { gpus: others, ...rest } = await snapshotFrom({ gpus: ['A30'] })
  await roundTrip(t, 'both', { ...rest, gpus: [others[0]!, { ...gpus[0]!, index: 1 }] })
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
  await t.test('and of no row at all', async t => {
    const profiles = { code: 'NOT_SUPPORTED' as const, status: 3, call: 'nvmlDeviceGetGpuInstanceProfileInfo' }
    const off = {
      profiles: null,
      gpuInstances: [],
      migDevices: [],
      migMode: { current: false, pending: false },
      unavailable: { profiles }
    }
    await t.rejects(simulate({ from: imaginary(off) }), {
      message:
        'simulate: from.gpus[0].profiles is null (NOT_SUPPORTED), and there is no row of NVIDIA X999 to take them from: ' +
        'take the snapshot as root and, where the driver is older than R550, with MIG on'
    })
  })
  await t.test('without root’s rights', async t => {
    const unprivileged = (prepare: Parameters<typeof snapshotFrom>[1]) =>
      snapshotFrom({ gpus: ['A100-SXM4-40GB'] }, async (nvml, node) => {
        await nvml.gpu(0).setMigMode(true)
        await prepare?.(nvml, node)
        node.setPrivileged(false)
      })
    const empty = await unprivileged(async () => {})
    t.equal(empty.gpus[0]!.memoryTotalMiB, null)
    await roundTrip(t, 'read again by somebody without them', empty, { privileged: false })
    const root = await replayed(empty)
    t.match(
      root.gpus[0],
      { memoryTotalMiB: 40960, profiles: [{ name: '1g.5gb', placements: { length: 7 } }] },
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
  t.ok(new SimulatorError('CLOSED', '') instanceof Error)
})
