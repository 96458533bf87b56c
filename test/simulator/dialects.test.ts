/**
 * The library on nodes that speak a dialect: what it says and does is what it says and does on a node that
 * speaks none. That nodes really speak them is tested in C++ (native/tests/dialects_test.cc) and, where the
 * library passes it on, here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { binding } from '../../lib/binding.js'
import { type Gpu, type MigDevice, open, type Session } from '../../lib/index.js'
import {
  decodeGpuInstanceProfile,
  decodeSessionInfo,
  gpuInstanceProfileBytes,
  Operation,
  resultHeaderBytes
} from '../../lib/records.js'
import { dialectBits } from '../../lib/simulator/dialects.js'
import {
  type Dialects,
  dialects as known,
  type SimulatedNode,
  type SimulateOptions,
  simulate
} from '../../lib/simulator/index.js'
import { outcome } from '../addon/fixture.js'
import { openNode } from '../helpers/node.js'

const speaking = (...names: (keyof Dialects)[]): Dialects => Object.fromEntries(names.map(name => [name, true]))

const SPOKEN: [name: string, dialects: Dialects][] = [
  ['none', {}],
  ...known.map((name): [string, Dialects] => [name, speaking(name)]),
  ['all together', speaking(...known)]
]

/** What is the same in every dialect: a device without its index and NVML's own spelling of its name. */
const told = ({ uuid, gpuInstanceId, computeInstanceId, profile, placement, memoryMiB, multiprocessors }: MigDevice) => ({
  ...{ uuid, gpuInstanceId, computeInstanceId, profile, placement, memoryMiB, multiprocessors }
})

async function sameDevices(t: Test, gpu: Gpu, expected: readonly MigDevice[], what: string): Promise<void> {
  const byUuid = (a: { uuid: string }, b: { uuid: string }) => (a.uuid < b.uuid ? -1 : 1)
  const devices = await gpu.devices()
  t.same(devices.map(told).sort(byUuid), expected.map(told).sort(byUuid), what)
  const indices = devices.map(({ index }) => index)
  t.equal(new Set(indices).size, indices.length, 'an index for each')
  t.ok(
    indices.every(index => index < 7),
    'below the most'
  )
  t.same(
    indices,
    [...indices].sort((a, b) => a - b),
    'in order of index'
  )
}

/** Creates, finds, destroys and meets refusals on an A100 and an A30. */
async function life(t: Test, node: SimulatedNode, nvml: Session): Promise<void> {
  const [gpu, a30] = nvml.gpus as [Gpu, Gpu]
  const names = (await gpu.profiles()).map(({ name }) => name)
  t.same(names, ['1g.5gb', '1g.5gb+me', '1g.10gb', '2g.10gb', '3g.20gb', '4g.20gb', '7g.40gb'])
  t.same(
    (await a30.profiles()).map(({ name, id, remaining }) => [name, id, remaining]),
    [
      ['1g.6gb', 14, 4],
      ['1g.6gb+me', 21, 1],
      ['2g.12gb', 5, 2],
      ['2g.12gb+me', 6, 1],
      ['4g.24gb', 0, 1]
    ]
  )

  const small = [
    await gpu.create('1g.5gb', { start: 0 }),
    await gpu.create('1g.5gb', { start: 1 }),
    await gpu.create('1g.5gb', { start: 2 })
  ] as const
  const half = await gpu.createGpuInstance('MIG 3g.20gb', { start: 4 })
  t.same(
    (await half.profiles()).map(({ name }) => name),
    ['1c.3g.20gb', '2c.3g.20gb', '3g.20gb']
  )
  const part = await half.createComputeInstance('1c.3g.20gb')
  const parted = await part.device()
  t.match(parted, { profile: '1c.3g.20gb', gpuInstanceId: 2, computeInstanceId: part.id, multiprocessors: 14 })
  await sameDevices(t, gpu, [...small, parted], 'all that were made')

  for (const device of [...small, parted]) {
    t.same(told((await nvml.find(device.uuid))!), told(device))
    const { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } = device
    t.same(told((await nvml.find({ gpu: 0, gpuInstance, computeInstance }))!), told(device))
  }
  t.same((await gpu.placements('1g.5gb')).free, [{ start: 3, size: 1 }])
  await t.rejects(gpu.create('2g.10gb'), { code: 'INSUFFICIENT_RESOURCES' })

  await small[1].destroy()
  await sameDevices(t, gpu, [small[0], small[2], parted], 'without the one in the middle')
  t.equal(await nvml.find(small[1].uuid), undefined)
  await t.rejects(small[1].destroy(), { code: 'NOT_FOUND' })
  const again = await gpu.create('1g.5gb', { start: 1 })
  t.equal(again.uuid, small[1].uuid, 'the UUID belongs to the place')
  await sameDevices(t, gpu, [small[0], again, small[2], parted], 'and with it again')

  await half.destroy({ force: true })
  const other = await gpu.create('2g.10gb', { start: 4 })
  await sameDevices(t, gpu, [small[0], again, small[2], other], 'another in place of the half')
  const seen = await gpu.createGpuInstance('1g.5gb', { start: 3 })
  await seen.destroy()
  await gpu.createGpuInstance('1g.5gb+me', { start: 3 })
  await t.rejects(seen.destroy(), { name: 'SessionError', code: 'INSTANCE_REPLACED' })
  await t.rejects(seen.createComputeInstance(), { name: 'SessionError', code: 'INSTANCE_REPLACED' })

  const media = await a30.create('1g.6gb+me')
  await t.rejects(a30.create('1g.6gb+me'), { code: 'INSUFFICIENT_RESOURCES' }, 'there is one media engine')
  t.same((await a30.placements('1g.6gb+me')).free, [])
  await media.destroy()
  node.check()

  for (const instance of await gpu.instances()) await instance.destroy({ force: true })
  t.same(await gpu.devices(), [])
  t.same(await gpu.instances(), [])
  t.match(await gpu.setMigMode(false), { activation: 'done', current: false })
}

t.test('the life of MIG devices', async t => {
  for (const [name, dialects] of SPOKEN) {
    await t.test(name, async t => {
      const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'A30'], dialects }, { mig: true })
      await life(t, node, nvml)
    })
  }
})

t.test('a second session, and one without rights', async t => {
  for (const [name, dialects] of SPOKEN) {
    await t.test(name, async t => {
      const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], dialects }, { mig: true })
      const onlooker = await open({ library: node.library, root: node.root })
      t.teardown(() => onlooker.close())
      const [first, second] = [await nvml.gpu(0).create('3g.20gb'), await nvml.gpu(0).create('1g.5gb')]
      await sameDevices(t, onlooker.gpu(0), [first, second], 'both see both')
      await first.destroy()
      await sameDevices(t, onlooker.gpu(0), [second], 'and what is gone is gone for both')
      node.setPrivileged(false)
      const profiles = (await onlooker.gpu(0).devices()).filter(({ uuid }) => uuid === second.uuid).map(({ profile }) => profile)
      t.same(profiles, ['1g.5gb'])
    })
  }
})

const one = async (t: Test, dialects: Dialects, request: Omit<SimulateOptions, 'gpus'> & { model?: string } = {}) => {
  const { model = 'A100-SXM4-40GB', ...options } = request
  const { node, nvml } = await openNode(t, { gpus: [model], dialects, ...options }, { mig: true })
  return { node, gpu: nvml.gpu(0) }
}

t.test('migIndexHoles', async t => {
  for (const holes of [false, true]) {
    const { gpu } = await one(t, { migIndexHoles: holes })
    const devices = [await gpu.create('1g.5gb'), await gpu.create('1g.5gb'), await gpu.create('1g.5gb')] as const
    const indices = async () => (await gpu.devices()).map(({ uuid, index }) => [devices.findIndex(it => it.uuid === uuid), index])
    // The driver fills slices 6, 4 and 5 first, so the first device has the highest GPU-instance id.
    const before = holes ? [0, 1, 2] : [2, 0, 1]
    t.same(new Map((await indices()) as [number, number][]), new Map(before.map((index, device) => [device, index])))
    await devices[1].destroy()
    t.same(
      await indices(),
      holes
        ? [
            [0, 0],
            [2, 2]
          ]
        : [
            [2, 0],
            [0, 1]
          ]
    )
  }
})

t.test('plainMigNames', async t => {
  const profileNames = async (library: string) => {
    const { session } = decodeSessionInfo(new DataView(await binding().open(library)), resultHeaderBytes)
    const { records } = outcome(
      await binding().call(session, Operation.gpuInstanceProfiles, [0]),
      decodeGpuInstanceProfile,
      gpuInstanceProfileBytes
    )
    await binding().close(session)
    return records.map(({ name }) => name)
  }
  for (const [plainMigNames, prefix] of [
    [false, 'MIG '],
    [true, '']
  ] as const) {
    const { node, gpu } = await one(t, { plainMigNames })
    t.match(
      await profileNames(node.library),
      ['1g.5gb', '2g.10gb', '3g.20gb'].map(name => prefix + name)
    )
    const instance = await gpu.createGpuInstance('3g.20gb')
    const device = await (await instance.createComputeInstance('1c.3g.20gb')).device()
    t.match(device, { name: `NVIDIA A100-SXM4-40GB ${prefix}1c.3g.20gb`, profile: '1c.3g.20gb' })
  }
})

t.test('openProfileEnd', async t => {
  for (const [openProfileEnd, asked] of [
    [false, 11],
    [true, 32]
  ] as const) {
    const { node, gpu } = await one(t, { openProfileEnd })
    const before = node.calls('nvmlDeviceGetGpuInstanceProfileInfoV')
    t.equal((await gpu.profiles()).length, 7)
    // R550 knows ten slots; the library asks as many as any could.
    t.ok(node.calls('nvmlDeviceGetGpuInstanceProfileInfoV') - before >= asked)
  }
})

t.test('misreportedCounts', async t => {
  // An R470 lists no 2g.12gb+me, and is asked by the unversioned call.
  for (const [driver, right, wrong] of [
    ['550', [4, 1, 2, 1, 1], [4, 4, 2, 2, 1]],
    ['470', [4, 1, 2, 1], [4, 4, 2, 1]]
  ] as const) {
    for (const misreportedCounts of [false, true]) {
      const { gpu } = await one(t, { misreportedCounts }, { model: 'A30', driver })
      const profiles = await gpu.profiles()
      t.same(
        profiles.map(({ maxInstances }) => maxInstances),
        misreportedCounts ? wrong : right
      )
      await gpu.createGpuInstance('1g.6gb+me')
      await t.rejects(gpu.createGpuInstance('1g.6gb+me'), { code: 'INSUFFICIENT_RESOURCES' })
      t.equal((await gpu.instances()).length, 1)
    }
  }
  const { gpu } = await one(t, { misreportedCounts: true })
  t.same(
    (await gpu.profiles()).map(({ maxInstances }) => maxInstances),
    [7, 1, 4, 3, 2, 1, 1],
    'only boards whose counts were wrong'
  )
})

t.test('a node says which dialects it speaks', async t => {
  const dir = join(t.testdir(), 'node')
  const request = { gpus: ['A30'], dir, dialects: { staleMigHandles: true, migIndexHoles: true, plainMigNames: false } }
  const node = await simulate(request)
  await node.close()
  const { request: kept } = JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8')) as { request: object }
  t.match(kept, { dialects: { staleMigHandles: true, migIndexHoles: true } })
  await (await simulate({ ...request, dialects: { migIndexHoles: true, staleMigHandles: true } })).close()
  await t.rejects(simulate({ gpus: ['A30'], dir }), {
    code: 'DIFFERENT_NODE',
    message: /dialects migIndexHoles, staleMigHandles, not none/
  })
})

t.test('what is no dialect', async t => {
  const refusal = (dialects: unknown) => simulate({ gpus: ['A30'], dialects: dialects as Dialects })
  await t.rejects(refusal({ staleHandles: true }), {
    name: 'TypeError',
    message: /^simulate: dialects has no option 'staleHandles'; did you mean 'staleMigHandles'\?$/
  })
  await t.rejects(refusal({ openProfileEnd: 3 }), {
    name: 'TypeError',
    message: 'simulate: dialects: openProfileEnd is true or false, not 3'
  })
  await t.rejects(refusal('all'), { name: 'TypeError', message: /^simulate: dialects: options are an object/ })
})

t.test('docs/simulator.md has a row for each', async t => {
  const page = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')
  const rows = [
    ...page
      .split('## Dialects')[1]!
      .split('\n## ')[0]!
      .matchAll(/^\| `(\w+)` \|/gm)
  ].map(([, name]) => name)
  t.same(rows.sort(), [...known].sort())
})

t.test('the bits are those of native/simulator/dialect.h', async t => {
  const header = readFileSync(new URL('../../native/simulator/dialect.h', import.meta.url), 'utf8')
  const declared = [...header.matchAll(/^ {2}k(\w+) = (\d+),/gm)].map(([, name, value]): [keyof Dialects, number] => [
    (name![0]!.toLowerCase() + name!.slice(1)) as keyof Dialects,
    Number(value)
  ])
  t.equal(declared.length, 4)
  for (const [name, bit] of declared) t.equal(dialectBits({ [name]: true }), bit, name)
  t.equal(
    dialectBits(speaking(...known)),
    declared.reduce((sum, [, bit]) => sum + bit, 0),
    'the others are data in the image'
  )
})
