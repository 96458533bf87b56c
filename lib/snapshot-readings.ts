/** What a GPU shows of itself while it runs, from a snapshot's records. */
import { computeModeName } from './nvml-names.js'
import { decodeFigure, decodeMemory, decodeProcess, GpuReading, NONE, type OutcomeRecord } from './records.js'
import type { Bar1Snapshot, GpuSnapshot, MemorySnapshot, MigMemorySnapshot, ProcessKind, ProcessSnapshot } from './snapshot.js'
import { mebibytes, Notes } from './snapshot-notes.js'
import type { GpuSections, Section } from './snapshot-sections.js'

/** NVML_PSTATE_UNKNOWN. */
const UNKNOWN_STATE = 32

/** `usedGpuMemory` of all bits set, as a number. */
const UNKNOWN_BYTES = 2 ** 64

/** A process list that a board or a driver does not have is no reason to doubt the others. */
const LIST_IS_MISSING: ReadonlySet<number> = new Set([3, 13])

type Readings = Pick<
  GpuSnapshot,
  | 'persistenceMode'
  | 'computeMode'
  | 'performanceState'
  | 'power'
  | 'temperatureCelsius'
  | 'clocks'
  | 'utilization'
  | 'ecc'
  | 'pcie'
>

const NO_READINGS: Readings = {
  persistenceMode: null,
  computeMode: null,
  performanceState: null,
  power: null,
  temperatureCelsius: null,
  clocks: null,
  utilization: null,
  ecc: null,
  pcie: null
}

/** The readings of a GPU; all null if there are none. */
export function describeReadings(section: Section | undefined, notes: Notes): Readings {
  if (!section) return NO_READINGS
  const number = (reading: keyof typeof GpuReading, field: string): number | null => {
    const { value, outcome } = section.record(decodeFigure, GpuReading[reading])
    return notes.figure(outcome[0]!, value, field)
  }
  const flag = (reading: keyof typeof GpuReading, field: string): boolean | null => {
    const value = number(reading, field)
    return value === null ? null : value === 1
  }
  const computeMode = number('computeMode', 'computeMode')
  const performanceState = number('performanceState', 'performanceState')
  const temperature = number('temperature', 'temperatureCelsius')
  return {
    persistenceMode: flag('persistenceMode', 'persistenceMode'),
    computeMode: computeMode === null ? null : computeModeName(computeMode),
    performanceState: performanceState === UNKNOWN_STATE ? null : performanceState,
    power: {
      usageMilliwatts: number('powerUsage', 'power.usageMilliwatts'),
      limitMilliwatts: number('powerLimit', 'power.limitMilliwatts'),
      enforcedLimitMilliwatts: number('powerEnforcedLimit', 'power.enforcedLimitMilliwatts'),
      defaultLimitMilliwatts: number('powerDefaultLimit', 'power.defaultLimitMilliwatts')
    },
    // 32 bits with a sign.
    temperatureCelsius: temperature === null ? null : temperature | 0,
    clocks: {
      graphicsMHz: number('graphicsClock', 'clocks.graphicsMHz'),
      smMHz: number('smClock', 'clocks.smMHz'),
      memoryMHz: number('memoryClock', 'clocks.memoryMHz'),
      videoMHz: number('videoClock', 'clocks.videoMHz'),
      maxGraphicsMHz: number('maxGraphicsClock', 'clocks.maxGraphicsMHz'),
      maxSmMHz: number('maxSmClock', 'clocks.maxSmMHz'),
      maxMemoryMHz: number('maxMemoryClock', 'clocks.maxMemoryMHz'),
      maxVideoMHz: number('maxVideoClock', 'clocks.maxVideoMHz')
    },
    utilization: {
      gpuPercent: number('gpuUtilization', 'utilization.gpuPercent'),
      memoryPercent: number('memoryUtilization', 'utilization.memoryPercent'),
      encoderPercent: number('encoderUtilization', 'utilization.encoderPercent'),
      decoderPercent: number('decoderUtilization', 'utilization.decoderPercent'),
      jpegPercent: number('jpegUtilization', 'utilization.jpegPercent'),
      opticalFlowPercent: number('ofaUtilization', 'utilization.opticalFlowPercent')
    },
    ecc: {
      enabled: flag('eccMode', 'ecc.enabled'),
      pendingEnabled: flag('eccPendingMode', 'ecc.pendingEnabled'),
      volatileCorrected: number('eccVolatileCorrected', 'ecc.volatileCorrected'),
      volatileUncorrected: number('eccVolatileUncorrected', 'ecc.volatileUncorrected'),
      aggregateCorrected: number('eccAggregateCorrected', 'ecc.aggregateCorrected'),
      aggregateUncorrected: number('eccAggregateUncorrected', 'ecc.aggregateUncorrected')
    },
    pcie: {
      generation: number('pcieGeneration', 'pcie.generation'),
      maxGeneration: number('pcieMaxGeneration', 'pcie.maxGeneration'),
      width: number('pcieWidth', 'pcie.width'),
      maxWidth: number('pcieMaxWidth', 'pcie.maxWidth'),
      replays: number('pcieReplays', 'pcie.replays')
    }
  }
}

type MemoryOutcomes = [memory: OutcomeRecord, reserved: OutcomeRecord, bar1: OutcomeRecord]

/** Memory and BAR1 of a GPU, or of a MIG device. */
export function describeMemory(
  section: Section | undefined,
  notes: Notes
): { memory: MemorySnapshot | null; bar1: Bar1Snapshot | null } {
  if (!section) return { memory: null, bar1: null }
  const record = section.record(decodeMemory)
  const [memory, reserved, bar1] = record.outcomes as MemoryOutcomes
  const readable = notes.figure(memory, record, 'memory')
  const mapped = notes.figure(bar1, record, 'bar1')
  return {
    memory: readable && {
      totalMiB: mebibytes(readable.totalBytes),
      freeMiB: mebibytes(readable.freeBytes),
      usedMiB: mebibytes(readable.usedBytes),
      reservedMiB: notes.figure(reserved, mebibytes(readable.reservedBytes), 'memory.reservedMiB')
    },
    bar1: mapped && {
      totalMiB: mebibytes(mapped.bar1TotalBytes),
      freeMiB: mebibytes(mapped.bar1FreeBytes),
      usedMiB: mebibytes(mapped.bar1UsedBytes)
    }
  }
}

/** The same of a MIG device, for which nothing is reserved and whose attributes know the memory too. */
export function describeMigMemory(
  section: Section | undefined,
  notes: Notes,
  attributesMiB: number
): { memory: MigMemorySnapshot | null; bar1: Bar1Snapshot | null } {
  const own = new Notes(notes.connection)
  const { memory, bar1 } = describeMemory(section, own)
  const { memory: reason, bar1: bar1Reason } = own.unavailable
  if (bar1Reason) notes.unavailable.bar1 = bar1Reason
  if (memory) return { memory: { totalMiB: memory.totalMiB, freeMiB: memory.freeMiB, usedMiB: memory.usedMiB }, bar1 }
  const missing = attributesMiB === 0 ? ['memory'] : ['memory.freeMiB', 'memory.usedMiB']
  for (const field of missing) if (reason) notes.unavailable[field] = reason
  return { memory: attributesMiB === 0 ? null : { totalMiB: attributesMiB, freeMiB: null, usedMiB: null }, bar1 }
}

const PROCESS_LISTS: readonly [ProcessKind, `${ProcessKind}Processes`][] = [
  ['compute', 'computeProcesses'],
  ['graphics', 'graphicsProcesses'],
  ['mps', 'mpsProcesses']
]

function processesIn(section: Section, kind: ProcessKind, notes: Notes): ProcessSnapshot[] {
  return section.records(decodeProcess).map(record => {
    const own = new Notes(notes.connection)
    const name = own.figure(record.nameOutcome[0]!, record.name, 'name')
    return {
      pid: record.pid,
      kind,
      name,
      memoryMiB: record.memoryBytes === UNKNOWN_BYTES ? null : mebibytes(record.memoryBytes),
      gpuInstanceId: record.gpuInstanceId === NONE ? null : record.gpuInstanceId,
      computeInstanceId: record.computeInstanceId === NONE ? null : record.computeInstanceId,
      ...(name === null && { unavailable: { name: own.unavailable.name! } })
    }
  })
}

/** The processes of a GPU, or of the MIG device with the index `of`; null if it cannot be said that these are all. */
export function describeProcesses(sections: GpuSections, notes: Notes, of = NONE): ProcessSnapshot[] | null {
  const processes: ProcessSnapshot[] = []
  let readable = true
  for (const [kind, name] of PROCESS_LISTS) {
    const section = sections.find(name, of)
    if (!section) return null
    const { outcome } = section
    if (outcome.status === 0) processes.push(...processesIn(section, kind, notes))
    else if (kind !== 'compute' && LIST_IS_MISSING.has(outcome.status)) notes.figure(outcome, null, `processes.${kind}`)
    else {
      // The first reason is as good as the next.
      if (readable) notes.figure(outcome, null, 'processes')
      readable = false
    }
  }
  return readable ? processes : null
}
