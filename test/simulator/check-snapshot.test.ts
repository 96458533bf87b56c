/** Snapshots that something happened to: each is refused by a sentence with the path, and nothing is made. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { GpuSnapshot, Snapshot } from '../../lib/index.js'
import { checkSnapshot } from '../../lib/simulator/check-snapshot.js'
import { simulate } from '../../lib/simulator/index.js'
import { snapshotFrom, throughJson } from '../helpers/snapshots.js'

type Loose = Record<string, unknown>

/** Two A100: one with a 4g.20gb of two compute instances and a 3g.20gb without, one with MIG off. */
const sound = await snapshotFrom({ gpus: ['A100-SXM4-40GB*2'] }, async nvml => {
  const gpu = nvml.gpu(0)
  await gpu.setMigMode(true)
  const instance = await gpu.createGpuInstance('4g.20gb', { start: 0 })
  await instance.createComputeInstance('2c.4g.20gb', { start: 0 })
  await instance.createComputeInstance('1c.4g.20gb', { start: 2 })
  await gpu.createGpuInstance('3g.20gb', { start: 4 })
})

/** A change to one GPU, as what it takes it from and to. */
type Change = (gpu: GpuSnapshot & Loose, snapshot: Snapshot & Loose) => unknown

const four = (gpu: GpuSnapshot) => gpu.gpuInstances!.find(({ profile }) => profile === '4g.20gb')!
const at = (gpu: GpuSnapshot) => `gpus[0].gpuInstances[${gpu.gpuInstances!.indexOf(four(gpu))}]`
const where = at(sound.gpus[0]!)
const profiles = (name: string) => sound.gpus[0]!.profiles!.findIndex(profile => profile.name === name)

const REFUSED: readonly [what: string, change: Change, message: string | RegExp][] = [
  ['no format', (_, all) => delete (all as Partial<Snapshot>).format, '.format is a text, not undefined'],
  [
    'another format',
    (_, all) => Object.assign(all, { format: 'nvml-mig-list/1' }),
    ".format is 'nvml-mig-snapshot/1', not 'nvml-mig-list/1'"
  ],
  [
    'a newer format',
    (_, all) => Object.assign(all, { format: 'nvml-mig-snapshot/2' }),
    ".format is 'nvml-mig-snapshot/2', which is newer than this version of nvml-mig reads: it knows them up to nvml-mig-snapshot/1"
  ],
  ['no GPUs', (_, all) => Object.assign(all, { gpus: [] }), '.gpus has 1 to 16 elements, not 0'],
  ['GPUs that are none', (_, all) => Object.assign(all, { gpus: {} }), '.gpus is a list, not {}'],
  [
    'no driver version',
    (_, all) => Object.assign(all.driver, { version: null }),
    ".driver.version is a text such as '550.163.01', not null"
  ],
  [
    'a driver of no release',
    (_, all) => Object.assign(all.driver, { version: 'fast' }),
    ".driver.version is a text such as '550.163.01', not 'fast'"
  ],
  [
    'a CUDA version that is none',
    (_, all) => Object.assign(all.driver, { cuda: 12.4 }),
    ".driver.cuda is a text such as '12.4', not 12.4"
  ],
  ['a GPU that is null', (_, all) => Object.assign(all.gpus, [null]), '.gpus[0] is an object, not null'],
  [
    'a GPU that could not be opened',
    gpu => Object.assign(gpu.unavailable, { gpu: { code: 'GPU_IS_LOST', status: 15, call: 'nvmlDeviceGetUUID' } }),
    /gpus\[0\] could not be read when the snapshot was taken \(nvmlDeviceGetUUID: GPU_IS_LOST\)/
  ],
  ['GPUs in another order', gpu => Object.assign(gpu, { index: 1 }), '.gpus[0].index is 0, its place in the list, not 1'],
  ['no UUID', gpu => Object.assign(gpu, { uuid: null }), /gpus\[0\]\.uuid is a text such as 'GPU-.*', not null/],
  [
    'a UUID that is none',
    gpu => Object.assign(gpu, { uuid: 'GPU-1' }),
    /gpus\[0\]\.uuid is a text such as 'GPU-.*', not 'GPU-1'/
  ],
  [
    'two GPUs of one UUID',
    (gpu, all) => Object.assign(all.gpus[1]!, { uuid: gpu.uuid }),
    /gpus\[1\]\.uuid is another than that of gpus\[0\], not 'GPU-/
  ],
  [
    'two GPUs in one place',
    (gpu, all) => Object.assign(all.gpus[1]!, { pciBusId: gpu.pciBusId }),
    /gpus\[1\]\.pciBusId is another than that of gpus\[0\]/
  ],
  [
    'a bus id that is none',
    gpu => Object.assign(gpu, { pciBusId: '07:00' }),
    ".gpus[0].pciBusId is a text such as '00000000:07:00.0', not '07:00'"
  ],
  [
    'a name that no image holds',
    gpu => Object.assign(gpu, { name: 'A'.repeat(200) }),
    /gpus\[0\]\.name is a text of at most 95 bytes/
  ],
  ['a name with an end in it', gpu => Object.assign(gpu, { name: 'A\0B' }), /gpus\[0\]\.name is a text, not/],
  [
    'memory that is negative',
    gpu => Object.assign(gpu.memory!, { totalMiB: -1 }),
    '.gpus[0].memory.totalMiB is a whole number from 0 on, not -1'
  ],
  [
    'memory that is a text',
    gpu => Object.assign(gpu.memory!, { totalMiB: '40960' }),
    ".gpus[0].memory.totalMiB is a whole number from 0 on, not '40960'"
  ],
  [
    'an architecture that is none',
    gpu => Object.assign(gpu, { architecture: 'Gothic' }),
    ".gpus[0].architecture is a name such as 'Ampere', or NVML's number as text, not 'Gothic'"
  ],
  [
    'a mode that is a number',
    gpu => Object.assign(gpu.migMode!, { current: 1 }),
    '.gpus[0].migMode.current is true or false, not 1'
  ],
  [
    'no mode',
    gpu => Object.assign(gpu, { migMode: null }),
    '.gpus[0].migMode is { current, pending } on a GPU with MIG, not null'
  ],
  [
    'instances with MIG off',
    gpu => Object.assign(gpu.migMode!, { current: false }),
    '.gpus[0] has instances, and MIG is off there: migMode.current is true where instances live'
  ],
  [
    'profiles of a GPU without MIG',
    gpu => Object.assign(gpu, { migCapable: false }),
    /gpus\[0\]\.profiles has 7 elements although migCapable is false/
  ],
  [
    'a slot that nobody reads',
    gpu => Object.assign(gpu.profiles![1]!, { slot: 1e9 }),
    '.gpus[0].profiles[1].slot is a whole number from 0 to 1023, not 1000000000'
  ],
  [
    'a compute instance outside of every GPU instance',
    gpu =>
      Object.assign(gpu.profiles!.find(each => each.computeInstanceProfiles)!.computeInstanceProfiles![0]!.placements!.at(-1)!, {
        start: 20
      }),
    /\.computeInstanceProfiles\[0\]\.placements\[\d\] is a place within 8 slices, not \{ start: 20, size: 1 \}$/
  ],
  [
    'a minor number that no node has',
    gpu => Object.assign(gpu, { minorNumber: 1e9 }),
    '.gpus[0].minorNumber is a whole number from 0 to 31, not 1000000000'
  ],
  [
    'fewer MIG devices at most than there are',
    gpu => Object.assign(gpu, { maxMigDevices: 1 }),
    /\.gpus\[0\]\.maxMigDevices is at least \d, so many migDevices there are, not 1$/
  ],
  [
    'two profiles in one slot',
    gpu => Object.assign(gpu.profiles![1]!, { slot: gpu.profiles![0]!.slot }),
    '.gpus[0].profiles[1].slot is another than that of element 0, not 0'
  ],
  [
    'two profiles of one id',
    gpu => Object.assign(gpu.profiles![1]!, { id: gpu.profiles![0]!.id }),
    '.gpus[0].profiles[1].id is another than that of element 0, not 19'
  ],
  [
    'a profile without slices',
    gpu => Object.assign(gpu.profiles![0]!, { slices: 0 }),
    '.gpus[0].profiles[0].slices is a whole number from 1 to 8, not 0'
  ],
  [
    'more instances than a node has',
    gpu => Object.assign(gpu.profiles![0]!, { maxInstances: 9 }),
    '.gpus[0].profiles[0].maxInstances is a whole number from 0 to 8, not 9'
  ],
  [
    'engines that are missing',
    gpu => delete (gpu.profiles![0]!.engines as { copy?: number }).copy,
    '.gpus[0].profiles[0].engines.copy is a whole number from 0 on, not undefined'
  ],
  [
    'placements of two sizes',
    gpu => Object.assign(gpu.profiles![0]!.placements![1]!, { size: 2 }),
    '.gpus[0].profiles[0].placements[1].size is 1, as in the first placement, not 2'
  ],
  [
    'placements in no order',
    gpu => Object.assign(gpu.profiles![0]!, { placements: [...gpu.profiles![0]!.placements!].reverse() }),
    '.gpus[0].profiles[0].placements[1].start is higher than the one before, not 5'
  ],
  [
    'a placement without slices',
    gpu => Object.assign(gpu.profiles![0]!.placements![0]!, { size: 0 }),
    '.gpus[0].profiles[0].placements[0].size is a whole number from 1 to 32, not 0'
  ],
  [
    'an instance of no profile',
    gpu => Object.assign(four(gpu), { profileId: 77 }),
    `.${where}.profileId is the id of a profile, 19, 20, 15, 14, 9, 5 or 0, not 77`
  ],
  [
    'an instance where its profile has no place',
    gpu => Object.assign(four(gpu).placement, { start: 2 }),
    `.${where}.placement is { start: 2, size: 4 }, where its profile has no place: it starts at 0 and takes 4`
  ],
  [
    'instances on each other',
    gpu => {
      Object.assign(gpu.profiles![profiles('4g.20gb')]!, {
        placements: [
          { start: 0, size: 4 },
          { start: 4, size: 4 }
        ]
      })
      four(gpu).placement.start = 4
    },
    /placement takes 4 to 7, and element \d has 4 to 7/
  ],
  [
    'two instances of one id',
    gpu => Object.assign(gpu.gpuInstances![1]!, { id: gpu.gpuInstances![0]!.id }),
    /gpuInstances\[1\]\.id is another than that of element 0/
  ],
  [
    'an id that no numbering gives',
    gpu => {
      Object.assign(four(gpu), { id: 5, computeInstances: [] })
      gpu.migDevices = []
    },
    /gpuInstances\[\d\]\.id is 5: beside the others, the simulator gives the instance at 0 of size 4 the id 1, or 2 with swapped numbering/
  ],
  [
    'a compute instance of no profile',
    gpu => Object.assign(four(gpu).computeInstances![0]!, { profileId: 6 }),
    `.${where}.computeInstances[0].profileId is the id of a profile, 0, 1 or 3, not 6`
  ],
  [
    'compute instances on each other',
    gpu => Object.assign(four(gpu).computeInstances![1]!.placement!, { start: 1 }),
    `.${where}.computeInstances[1].placement takes 1 to 1, and element 0 has 0 to 1`
  ],
  [
    'a compute instance with a high id',
    gpu => Object.assign(four(gpu).computeInstances![0]!, { id: 8 }),
    `.${where}.computeInstances[0].id is a whole number from 0 to 7, not 8`
  ],
  [
    'a MIG device of no instance',
    gpu => Object.assign(gpu.migDevices![0]!, { gpuInstanceId: 12 }),
    '.gpus[0].migDevices[0].gpuInstanceId is the id of one of gpuInstances, not 12'
  ],
  [
    'a MIG device of no compute instance',
    gpu => Object.assign(gpu.migDevices![0]!, { computeInstanceId: 4 }),
    `.gpus[0].migDevices[0].computeInstanceId is the id of a compute instance of GPU instance ${four(sound.gpus[0]!).id}, not 4`
  ],
  [
    'two MIG devices of one instance',
    gpu => Object.assign(gpu.migDevices![1]!, { computeInstanceId: 0 }),
    /gpus\[0\]\.migDevices\[1\] is a second device of compute instance \d\/0/
  ],
  [
    'two UUIDs of one device',
    gpu => Object.assign(gpu.migDevices![0]!, { uuid: 'MIG-00000000-0000-0000-0000-000000000000' }),
    /gpus\[0\]\.migDevices\[0\]\.uuid is 'MIG-.*', as in gpuInstances, not 'MIG-0/
  ],
  [
    'one UUID of two devices',
    gpu => {
      const [first, second] = four(gpu).computeInstances!
      second!.uuid = first!.uuid
      gpu.migDevices![1]!.uuid = first!.uuid!
    },
    /gpus\[0\]\.migDevices\[1\]\.uuid is the only one of its kind, not 'MIG-/
  ],
  [
    'a UUID of other ids',
    gpu => Object.assign(gpu.migDevices![0]!, { uuid: `MIG-${gpu.uuid}/9/9` }),
    /gpus\[0\]\.migDevices\[0\]\.uuid is 'MIG-GPU-.*\/\d\/0', made of its ids, not 'MIG-GPU-/
  ],
  [
    'devices of which nobody may see where',
    gpu => Object.assign(gpu, { gpuInstances: null }),
    /gpus\[0\] has 2 MIG devices, and where they lie is not in the snapshot \(unread\)/
  ],
  [
    'a reason without a code',
    gpu => Object.assign(gpu.unavailable, { serial: {} }),
    '.gpus[0].unavailable.serial.code is a text, not undefined'
  ],
  ['no reasons', gpu => delete (gpu as Partial<GpuSnapshot>).unavailable, '.gpus[0].unavailable is an object, not undefined']
]

for (const [what, change, message] of REFUSED) {
  t.test(what, async t => {
    const from = throughJson(sound) as Snapshot & Loose
    change(from.gpus[0] as GpuSnapshot & Loose, from)
    const dir = join(t.testdir(), 'node')
    await t.rejects(simulate({ from, dir }), {
      name: /^(Type|Range)Error$/,
      message: typeof message === 'string' ? `simulate: from${message}` : message
    })
    t.notOk(existsSync(dir), 'nothing was made')
  })
}

t.test('what is no snapshot', async t => {
  for (const from of [null, 1, 'nvml-mig-snapshot/1', []] as unknown[]) {
    await t.rejects(simulate({ from: from as Snapshot }), { name: 'TypeError', message: /^simulate: from is an object, not / })
  }
})

t.test('a pending mode on a board that changes at once', async t => {
  const from = throughJson(await snapshotFrom({ gpus: ['H100-SXM5-80GB'] }))
  from.gpus[0]!.migMode!.pending = true
  await t.rejects(simulate({ from }), {
    message: 'simulate: from.gpus[0].migMode.pending is true: H100-SXM5-80GB changes its MIG mode at once, so it is false too'
  })
})

t.test('a board of more slices than there are ids', async t => {
  const from = throughJson(sound)
  const small = from.gpus[1]!.profiles![0]!
  small.placements = [{ start: 15, size: 1 }]
  await t.rejects(simulate({ from }), {
    message:
      /^simulate: from\.gpus\[1\]\.profiles\[0\]: 1g\.5gb takes 1 of 16 memory slices, and the simulator knows GPU instances from one 8th of a board on$/
  })
})

t.test('instances that the board excludes beside each other', async t => {
  // On A100 one instance has the media engines: the count says so, and no row has to.
  const from = throughJson(sound)
  const [gpu] = from.gpus
  const media = gpu!.profiles!.find(({ name }) => name === '1g.5gb+me')!
  const place = (id: number, start: number) => ({
    id,
    profile: media.name,
    profileId: media.id,
    placement: { start, size: 1 },
    computeInstances: [],
    unavailable: {}
  })
  gpu!.gpuInstances = [place(7, 0), place(8, 1)]
  gpu!.migDevices = []
  await t.rejects(simulate({ from }), {
    name: 'SimulatorError',
    code: 'INSUFFICIENT_RESOURCES',
    message: /^simulate: GPU 0 has no room for MIG 1g\.5gb\+me at 1 beside what is there\. Nothing was made\.$/
  })
})

t.test('a snapshot loses what this package does not know of, and nothing else', async t => {
  const later = throughJson(sound) as Snapshot & Loose
  later.takenAt = '2030-01-01T00:00:00Z'
  Object.assign(later.gpus[0]!, { colour: 'green' })
  t.strictSame(checkSnapshot('a', later), sound)
})
