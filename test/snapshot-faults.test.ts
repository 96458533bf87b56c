/** Every function of NVML that a snapshot calls, made to fail: its figures are null with the reason, all others are there. */
import t, { type Test } from 'tap'
import { binding } from '../lib/binding.js'
import type { GpuSnapshot, Session, Snapshot, UnavailableFields } from '../lib/index.js'
import type { SimulatedNode } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'
import { throughJson } from './helpers/snapshots.js'

const CODES = [
  { code: 'NOT_SUPPORTED', status: 3 },
  { code: 'GPU_IS_LOST', status: 15 },
  { code: 'UNKNOWN', status: 999 }
] as const

type Reason = UnavailableFields[string]
/** Takes out of a snapshot what a function told, with the reason. */
type Loss = (snapshot: Snapshot, reason: Reason) => void

/** Makes the fields under these paths null. */
function lose(owner: object & { unavailable?: object }, reason: Reason, ...paths: readonly string[]): void {
  for (const path of paths) {
    let at = owner as Record<string, Record<string, unknown> | null>
    const names = path.split('.')
    for (const name of names.slice(0, -1)) at = at[name] as typeof at
    at[names.at(-1)!] = null
    owner.unavailable = { ...owner.unavailable, [path]: reason }
  }
}

/** Fields of every GPU. */
const ofGpus =
  (...paths: readonly string[]): Loss =>
  ({ gpus }, reason) => {
    for (const gpu of gpus) lose(gpu, reason, ...paths)
  }

const all =
  (...losses: readonly Loss[]): Loss =>
  (snapshot, reason) => {
    for (const each of losses) each(snapshot, reason)
  }

const partitioned = ({ gpus }: Snapshot): GpuSnapshot => gpus[0]!
const computeInstancesOf = (gpu: GpuSnapshot) => gpu.gpuInstances?.flatMap(({ computeInstances }) => computeInstances ?? []) ?? []

/** Without its devices a GPU has no UUIDs for its compute instances either. */
const migDevices: Loss = (snapshot, reason) => {
  lose(partitioned(snapshot), reason, 'migDevices')
  for (const compute of computeInstancesOf(partitioned(snapshot))) Object.assign(compute, { uuid: null, index: null, name: null })
}

const ofMigDevices =
  (...paths: readonly string[]): Loss =>
  (snapshot, why) => {
    for (const device of partitioned(snapshot).migDevices!) lose(device, why, ...paths)
  }

/** Profiles tell of compute instances as far as GPU instances do. */
const offered: Loss = (snapshot, why) => {
  const gpu = partitioned(snapshot)
  for (const profile of gpu.profiles!) lose(profile, why, 'computeInstanceProfiles')
}

const gpuInstances: Loss = all((snapshot, why) => lose(partitioned(snapshot), why, 'gpuInstances'), offered)

const computeInstances: Loss = (snapshot, why) => {
  for (const instance of partitioned(snapshot).gpuInstances!) lose(instance, why, 'computeInstances')
}

/** The oldest form of a function stands for all of them where a list has no outcome of its own. */
const called = (why: Reason, call: string): Reason => ({ ...why, call })

const profiles: Loss = ({ gpus }, why) => {
  const oldest = why.status === 3 ? called(why, 'nvmlDeviceGetGpuInstanceProfileInfo') : why
  for (const gpu of gpus) lose(gpu, oldest, 'profiles')
  lose(gpus[0]!, oldest, 'gpuInstances')
}

const computeProfiles: Loss = (snapshot, why) => {
  const oldest = why.status === 3 ? called(why, 'nvmlGpuInstanceGetComputeInstanceProfileInfo') : why
  const live = partitioned(snapshot).profiles!.filter(({ computeInstanceProfiles }) => computeInstanceProfiles)
  for (const profile of live) lose(profile, oldest, 'computeInstanceProfiles')
  computeInstances(snapshot, oldest)
}

/** What costs nothing where it only says that there is no such profile. */
const butNotSupported =
  (loss: Loss): Loss =>
  (snapshot, why) => {
    if (why.status !== 3) loss(snapshot, why)
  }

const ofProfiles =
  (field: 'placements' | 'remaining', call: string): Loss =>
  ({ gpus }, why) => {
    for (const profile of gpus.flatMap(gpu => gpu.profiles!)) lose(profile, called(why, call), field)
  }

/** A graphics or MPS list that is not there is no reason to doubt the others. */
const processes =
  (kind: 'compute' | 'graphics' | 'mps'): Loss =>
  ({ gpus: [first, second] }, why) => {
    const missing = why.status === 3 && kind !== 'compute'
    for (const owner of [second!, ...first!.migDevices!]) {
      if (!missing) {
        lose(owner, why, 'processes')
        continue
      }
      owner.processes = owner.processes!.filter(process => process.kind !== kind)
      owner.unavailable[`processes.${kind}`] = why
    }
  }

const names: Loss = ({ gpus: [first, second] }, why) => {
  for (const process of [second!, ...first!.migDevices!].flatMap(owner => owner.processes!)) lose(process, why, 'name')
}

const clocks = (...prefixes: readonly string[]) => prefixes.map(name => `clocks.${name}`)

const LOSSES: Readonly<Record<string, Loss>> = {
  nvmlDeviceGetName: all(ofGpus('name'), ofMigDevices('name'), snapshot => {
    for (const compute of computeInstancesOf(partitioned(snapshot))) compute.name = null
  }),
  nvmlDeviceGetSerial: ofGpus('serial'),
  nvmlDeviceGetBoardPartNumber: ofGpus('boardPartNumber'),
  nvmlDeviceGetVbiosVersion: ofGpus('vbiosVersion'),
  nvmlDeviceGetPciInfo_v3: ofGpus('pciBusId', 'pciDeviceId', 'pciSubSystemId'),
  nvmlDeviceGetCudaComputeCapability: ofGpus('computeCapability'),
  nvmlDeviceGetMinorNumber: ofGpus('minorNumber'),
  nvmlDeviceGetBrand: ofGpus('brand'),
  nvmlDeviceGetArchitecture: ofGpus('architecture'),
  nvmlDeviceGetMaxMigDeviceCount: all(ofGpus('maxMigDevices'), migDevices),
  // The attributes of a MIG device know its memory too.
  nvmlDeviceGetMemoryInfo_v2: all(ofGpus('memory'), ofMigDevices('memory.freeMiB', 'memory.usedMiB')),
  nvmlDeviceGetBAR1MemoryInfo: all(ofGpus('bar1'), ofMigDevices('bar1')),
  // Then what is there tells it: no GPU instance can be listed where MIG is off.
  nvmlDeviceGetMigMode: all(ofGpus('migMode'), ({ gpus }) => {
    const off = { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetGpuInstances' } as const
    lose(gpus[1]!, off, 'gpuInstances')
    for (const profile of gpus[1]!.profiles!) lose(profile, off, 'computeInstanceProfiles')
  }),
  nvmlDeviceGetPowerUsage: ofGpus('power.usageMilliwatts'),
  nvmlDeviceGetPowerManagementLimit: ofGpus('power.limitMilliwatts'),
  nvmlDeviceGetEnforcedPowerLimit: ofGpus('power.enforcedLimitMilliwatts'),
  nvmlDeviceGetPowerManagementDefaultLimit: ofGpus('power.defaultLimitMilliwatts'),
  nvmlDeviceGetTemperatureV: ofGpus('temperatureCelsius'),
  nvmlDeviceGetClockInfo: ofGpus(...clocks('graphicsMHz', 'smMHz', 'memoryMHz', 'videoMHz')),
  nvmlDeviceGetMaxClockInfo: ofGpus(...clocks('maxGraphicsMHz', 'maxSmMHz', 'maxMemoryMHz', 'maxVideoMHz')),
  nvmlDeviceGetUtilizationRates: ofGpus('utilization.gpuPercent', 'utilization.memoryPercent'),
  nvmlDeviceGetEncoderUtilization: ofGpus('utilization.encoderPercent'),
  nvmlDeviceGetDecoderUtilization: ofGpus('utilization.decoderPercent'),
  nvmlDeviceGetJpgUtilization: ofGpus('utilization.jpegPercent'),
  nvmlDeviceGetOfaUtilization: ofGpus('utilization.opticalFlowPercent'),
  nvmlDeviceGetPerformanceState: ofGpus('performanceState'),
  nvmlDeviceGetEccMode: ofGpus('ecc.enabled', 'ecc.pendingEnabled'),
  nvmlDeviceGetTotalEccErrors: ofGpus(
    ...['volatileCorrected', 'volatileUncorrected', 'aggregateCorrected', 'aggregateUncorrected'].map(name => `ecc.${name}`)
  ),
  nvmlDeviceGetCurrPcieLinkGeneration: ofGpus('pcie.generation'),
  nvmlDeviceGetMaxPcieLinkGeneration: ofGpus('pcie.maxGeneration'),
  nvmlDeviceGetCurrPcieLinkWidth: ofGpus('pcie.width'),
  nvmlDeviceGetMaxPcieLinkWidth: ofGpus('pcie.maxWidth'),
  nvmlDeviceGetPcieReplayCounter: ofGpus('pcie.replays'),
  nvmlDeviceGetPersistenceMode: ofGpus('persistenceMode'),
  nvmlDeviceGetComputeMode: ofGpus('computeMode'),
  // Instances are listed by profile. What a MIG device is of then stands in its name.
  nvmlDeviceGetGpuInstanceProfileInfoV: profiles,
  nvmlDeviceGetGpuInstanceRemainingCapacity: ofProfiles('remaining', 'nvmlDeviceGetGpuInstanceRemainingCapacity'),
  nvmlDeviceGetGpuInstancePossiblePlacements_v2: ofProfiles('placements', 'nvmlDeviceGetGpuInstancePossiblePlacements'),
  nvmlDeviceGetGpuInstances: gpuInstances,
  nvmlGpuInstanceGetInfo: all(gpuInstances, migDevices),
  nvmlGpuInstanceGetComputeInstanceProfileInfoV: computeProfiles,
  // Asked for what the newer form does not know, which here is where the list ends.
  nvmlDeviceGetGpuInstanceProfileInfo: butNotSupported(profiles),
  nvmlGpuInstanceGetComputeInstanceProfileInfo: butNotSupported(computeProfiles),
  nvmlGpuInstanceGetComputeInstancePossiblePlacements: (snapshot, why) => {
    for (const profile of partitioned(snapshot).profiles!.flatMap(each => each.computeInstanceProfiles ?? []))
      lose(profile, called(why, 'nvmlGpuInstanceGetComputeInstancePossiblePlacements'), 'placements')
  },
  nvmlGpuInstanceGetComputeInstances: computeInstances,
  // A MIG device is known by the instances behind it.
  nvmlComputeInstanceGetInfo_v2: all(migDevices, computeInstances),
  nvmlDeviceGetGpuInstanceById: migDevices,
  nvmlGpuInstanceGetComputeInstanceById: migDevices,
  nvmlDeviceGetMigDeviceHandleByIndex: migDevices,
  nvmlDeviceGetGpuInstanceId: migDevices,
  nvmlDeviceGetComputeInstanceId: migDevices,
  nvmlDeviceGetIndex: migDevices,
  nvmlDeviceGetUUID: migDevices,
  nvmlDeviceGetAttributes_v2: ofMigDevices('gpuInstanceSlices', 'computeInstanceSlices', 'multiprocessors', 'engines'),
  nvmlDeviceGetComputeRunningProcesses_v3: processes('compute'),
  nvmlDeviceGetGraphicsRunningProcesses_v3: processes('graphics'),
  nvmlDeviceGetMPSComputeRunningProcesses_v3: processes('mps'),
  nvmlSystemGetProcessName: names
}

/** Two A100: one with two MIG devices, one with MIG off; on each of them a process of each kind. */
async function stage(t: Test): Promise<{ node: SimulatedNode; nvml: Session }> {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'], driver: '580' })
  await nvml.gpu(0).setMigMode(true)
  await nvml.gpu(0).create('3g.20gb')
  await nvml.gpu(0).create('1g.5gb')
  for (const kind of ['compute', 'graphics', 'mps'] as const) {
    for (const { gpuInstanceId, computeInstanceId } of await nvml.gpu(0).devices())
      node.startClient({ gpu: 0, gpuInstance: gpuInstanceId, computeInstance: computeInstanceId, kind, memoryMiB: 10 })
    node.startClient({ gpu: 1, kind, memoryMiB: 10 })
  }
  return { node, nvml }
}

t.test('one function at a time', async t => {
  const { node, nvml } = await stage(t)
  const calls = () =>
    new Map(
      binding()
        .symbols()
        .map(name => [name, node.calls(name)])
    )
  const before = calls()
  const sound = await nvml.snapshot()
  const after = calls()
  const asked = [...before].flatMap(([name, count]) => (after.get(name)! > count ? [name] : []))
  // It is asked for its table to be counted, which is no part of a snapshot.
  t.same(asked.filter(name => name !== 'nvmlInternalGetExportTable').sort(), Object.keys(LOSSES).sort(), 'all are tried')
  for (const [call, loss] of Object.entries(LOSSES)) {
    for (const { code, status } of CODES) {
      const fault = node.inject({ call, returns: code })
      const snapshot = await nvml.snapshot()
      fault.remove()
      const why = { code, status, call }
      const expected = throughJson(sound)
      loss(expected, why)
      t.ok(fault.fired > 0, `${call} was struck`)
      t.strictSame(snapshot, expected, `${call}: ${code}`)
      t.strictSame(throughJson(snapshot), snapshot)
    }
  }
  t.strictSame(await nvml.snapshot(), sound, 'and afterwards all is as before')
})

t.test('a lost GPU beside one that is well', async t => {
  const { node, nvml } = await stage(t)
  const sound = await nvml.snapshot()
  for (const { call, field } of [
    { call: 'nvmlDeviceGetGpuInstances', field: 'gpuInstances' },
    { call: 'nvmlDeviceGetPowerUsage', field: 'power.usageMilliwatts' }
  ]) {
    // In the middle of what is read of the first GPU.
    const fault = node.inject({ call, nth: 1, times: 1, returns: 'GPU_IS_LOST' })
    const { gpus } = await nvml.snapshot()
    t.equal(gpus[0]!.unavailable[field]!.code, 'GPU_IS_LOST')
    t.strictSame(gpus[1], sound.gpus[1], 'the other one is whole')
    fault.remove()
  }
  const lost = node.inject({ gpu: 0, lost: true })
  for (const time of ['with the handle of before', 'without one']) {
    const { gpus } = await nvml.snapshot()
    const { index, uuid, migCapable, unavailable, ...fields } = gpus[0]!
    t.same([index, uuid, migCapable], [0, nvml.gpu(0).uuid, true], time)
    const told = Object.values(fields).flatMap(value => (value && !Array.isArray(value) ? Object.values(value) : [value]))
    t.ok(
      told.every(value => value === null),
      'nothing is told of it'
    )
    t.ok(Object.values(unavailable).every(({ code }) => code === 'GPU_IS_LOST'))
    t.strictSame(gpus[1], sound.gpus[1])
  }
  lost.remove()
  t.strictSame(await nvml.snapshot(), sound, 'it is found again')
})
