/** What a GPU showed of itself when a snapshot was taken: checked, and as readings of the node that is made of it. */
import { shown } from '../arguments.js'
import { series } from '../layout/suggest.js'
import { computeModeNumber } from '../nvml-names.js'
import type { Bar1Snapshot, GpuSnapshot, MemorySnapshot, MigMemorySnapshot, ProcessKind, ProcessSnapshot } from '../snapshot.js'
import type { Field } from './field.js'
import type { AllReadings, ReadingName } from './readings.js'

/** Where a figure stands in a snapshot, and what it is played as. Errors are not told apart by memory: all are DRAM's. */
const PLAYED: Readonly<Record<string, ReadingName>> = {
  persistenceMode: 'persistenceMode',
  computeMode: 'computeMode',
  performanceState: 'performanceState',
  temperatureCelsius: 'temperatureCelsius',
  'power.usageMilliwatts': 'powerMilliwatts',
  'power.limitMilliwatts': 'powerLimitMilliwatts',
  'power.defaultLimitMilliwatts': 'powerDefaultLimitMilliwatts',
  'clocks.graphicsMHz': 'graphicsClockMHz',
  'clocks.smMHz': 'smClockMHz',
  'clocks.memoryMHz': 'memoryClockMHz',
  'clocks.videoMHz': 'videoClockMHz',
  'clocks.maxGraphicsMHz': 'maxGraphicsClockMHz',
  'clocks.maxSmMHz': 'maxSmClockMHz',
  'clocks.maxMemoryMHz': 'maxMemoryClockMHz',
  'clocks.maxVideoMHz': 'maxVideoClockMHz',
  'utilization.gpuPercent': 'gpuUtilizationPercent',
  'utilization.memoryPercent': 'memoryUtilizationPercent',
  'utilization.encoderPercent': 'encoderUtilizationPercent',
  'utilization.decoderPercent': 'decoderUtilizationPercent',
  'utilization.jpegPercent': 'jpegUtilizationPercent',
  'utilization.opticalFlowPercent': 'ofaUtilizationPercent',
  'ecc.enabled': 'eccEnabled',
  'ecc.pendingEnabled': 'eccPendingEnabled',
  'ecc.volatileCorrected': 'eccVolatileCorrectedDram',
  'ecc.volatileUncorrected': 'eccVolatileUncorrectedDram',
  'ecc.aggregateCorrected': 'eccAggregateCorrectedDram',
  'ecc.aggregateUncorrected': 'eccAggregateUncorrectedDram',
  'pcie.generation': 'pcieGeneration',
  'pcie.maxGeneration': 'pcieMaxGeneration',
  'pcie.width': 'pcieWidth',
  'pcie.maxWidth': 'pcieMaxWidth',
  'pcie.replays': 'pcieReplays',
  'memory.reservedMiB': 'memoryReservedMiB'
}

/** What MIG mode takes away or fixes: there the snapshot does not tell what it is without. */
const HIDDEN_BY_MIG = /^(utilization\.|ecc\.volatile|computeMode$)/

type Told = boolean | number | string | null | undefined

function valueAt(gpu: GpuSnapshot, path: string): Told {
  let value: unknown = gpu
  for (const name of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[name]
  return value as Told
}

/** The readings that a GPU of a checked snapshot had; those it does not have are null, and what was not told is left out. */
export function readingsFrom(gpu: GpuSnapshot): Partial<AllReadings> {
  const readings: Partial<Record<ReadingName, number | null>> = {}
  for (const [path, name] of Object.entries(PLAYED)) {
    if (gpu.migMode?.current && HIDDEN_BY_MIG.test(path)) continue
    const told = valueAt(gpu, path)
    if (told === undefined || (told === null && gpu.unavailable[path]?.code !== 'NOT_SUPPORTED')) continue
    const value = typeof told === 'string' ? computeModeNumber(told)! : told === null ? null : Number(told)
    // The node has no temperatures below zero, and no compute mode newer than these.
    if (value !== null && (value < 0 || (name === 'computeMode' && value > 3))) continue
    readings[name] = value
    const { groups } = /^(?<counter>ecc(?:Volatile|Aggregate)\w+)Dram$/.exec(name) ?? {}
    if (groups) readings[`${groups.counter}Sram` as ReadingName] = value === null ? null : 0
  }
  const idle = gpu.gpuInstances?.length === 0 ? atRest(gpu.memory?.usedMiB, [gpu.processes]) : undefined
  return idle === undefined ? readings : { ...readings, idleMemoryMiB: idle }
}

/** What would be in use without processes, of which there are none here yet; undefined where that cannot be said. */
function atRest(usedMiB: number | null | undefined, lists: readonly (readonly ProcessSnapshot[] | null | undefined)[]) {
  const taken = lists.flatMap(list => (list ? list.map(({ memoryMiB }) => memoryMiB) : [null]))
  if (usedMiB === null || usedMiB === undefined || taken.includes(null)) return undefined
  return Math.max(0, usedMiB - taken.reduce<number>((sum, mib) => sum + (mib ?? 0), 0))
}

/** What a GPU instance of a profile has in use while no process runs in it, as those that live tell. */
export function idleMemoryOf({ gpuInstances, migDevices }: GpuSnapshot, profileId: number): number | undefined {
  for (const { id } of gpuInstances?.filter(instance => instance.profileId === profileId) ?? []) {
    const devices = migDevices?.filter(device => device.gpuInstanceId === id) ?? []
    const lists = devices.map(({ processes }) => processes)
    const idle = atRest(devices[0]?.memory?.usedMiB, lists)
    if (idle !== undefined) return idle
  }
  return undefined
}

/** `{ name: … }` of the fields of an object, each null or a whole number up to `most`; nothing of one that an older snapshot has not. */
function numbers(field: Field, names: readonly string[], most?: number) {
  return field.orNull(group => Object.fromEntries(names.map(name => [name, group.at(name).orNull(it => it.number(most))])))
}

const namesIn = (group: string): string[] =>
  Object.keys(PLAYED).flatMap(path => (path.startsWith(`${group}.`) ? [path.slice(group.length + 1)] : []))

const flagOrNull = (field: Field): boolean | null => field.orNull(it => it.flag())

function ecc(field: Field) {
  const counters = namesIn('ecc').filter(name => !/nabled$/.test(name))
  return field.orNull(group => ({
    enabled: flagOrNull(group.at('enabled')),
    pendingEnabled: flagOrNull(group.at('pendingEnabled')),
    ...numbers(group, counters, Number.MAX_SAFE_INTEGER)
  }))
}

function computeMode(field: Field): string | null {
  const name = field.orNull(it => it.text(40))
  return name === null || computeModeNumber(name) !== undefined
    ? name
    : field.wrong("a name such as 'default', or NVML's number as text")
}

const KINDS: readonly ProcessKind[] = ['compute', 'graphics', 'mps']

const number = (field: Field): number => field.number()

/** The processes of a GPU or of a MIG device, if the snapshot has them: of them the memory counts. */
export function checkProcesses(owner: Field): { processes?: ProcessSnapshot[] | null } {
  const processes = owner.at('processes')
  if (processes.isAbsent()) return {}
  const process = (field: Field): ProcessSnapshot => {
    const kind = field.at('kind').text(8) as ProcessKind
    if (!KINDS.includes(kind)) field.at('kind').wrong(series(KINDS.map(shown), 'or'))
    return {
      pid: field.at('pid').number(),
      kind,
      name: field.at('name').orNull(it => (it.value === '' ? '' : it.text(1024))),
      memoryMiB: field.at('memoryMiB').orNull(it => it.number(Number.MAX_SAFE_INTEGER)),
      gpuInstanceId: field.at('gpuInstanceId').orNull(number),
      computeInstanceId: field.at('computeInstanceId').orNull(number)
    }
  }
  return { processes: processes.orNull(it => it.list(100_000).map(process)) }
}

const amounts = (field: Field) => ({
  totalMiB: field.at('totalMiB').number(),
  freeMiB: field.at('freeMiB').number(),
  usedMiB: field.at('usedMiB').number()
})

/** Memory and BAR1 of a MIG device, which older snapshots have not. */
export function checkMigSizes(device: Field): { memory: MigMemorySnapshot | null; bar1: Bar1Snapshot | null } {
  if (device.at('memory').isAbsent()) return { memory: null, bar1: null }
  return {
    memory: device.at('memory').orNull(it => ({
      totalMiB: it.at('totalMiB').number(),
      freeMiB: it.at('freeMiB').orNull(number),
      usedMiB: it.at('usedMiB').orNull(number)
    })),
    bar1: device.at('bar1').orNull(amounts)
  }
}

/** The readings of a GPU in a snapshot, as far as it has them. */
export function checkReadingFields(gpu: Field): Partial<GpuSnapshot> {
  const checks: Readonly<Record<string, (field: Field) => unknown>> = {
    persistenceMode: flagOrNull,
    computeMode,
    performanceState: field => field.orNull(it => it.number(15)),
    power: field => numbers(field, [...namesIn('power'), 'enforcedLimitMilliwatts']),
    temperatureCelsius: field => field.orNull(it => it.number(1000, -273)),
    clocks: field => numbers(field, namesIn('clocks')),
    utilization: field => numbers(field, namesIn('utilization'), 100),
    ecc,
    pcie: field => numbers(field, namesIn('pcie'))
  }
  return Object.fromEntries(
    Object.entries(checks).flatMap(([name, check]) => (gpu.at(name).isAbsent() ? [] : [[name, check(gpu.at(name))]]))
  )
}

/** Memory and BAR1 of a GPU. Older snapshots have their totals alone. */
export function checkSizes(gpu: Field): { memory: MemorySnapshot | null; bar1: Bar1Snapshot | null } {
  const older = (name: string) => gpu.at(name).orNull(it => ({ totalMiB: it.number(), freeMiB: 0, usedMiB: 0 }))
  if (gpu.at('memory').isAbsent() && !gpu.at('memoryTotalMiB').isAbsent()) {
    const memory = older('memoryTotalMiB')
    return { memory: memory && { ...memory, reservedMiB: null }, bar1: older('bar1TotalMiB') }
  }
  return {
    memory: gpu.at('memory').orNull(it => ({ ...amounts(it), reservedMiB: it.at('reservedMiB').orNull(number) })),
    bar1: gpu.at('bar1').orNull(amounts)
  }
}

/** The sizes of a board, also of an older snapshot, which nobody checked. */
export function sizesOf(gpu: GpuSnapshot): { memoryTotalMiB: number | null; bar1TotalMiB: number | null } {
  const { memoryTotalMiB = null, bar1TotalMiB = null } = gpu as { memoryTotalMiB?: number | null; bar1TotalMiB?: number | null }
  return { memoryTotalMiB: gpu.memory?.totalMiB ?? memoryTotalMiB, bar1TotalMiB: gpu.bar1?.totalMiB ?? bar1TotalMiB }
}
