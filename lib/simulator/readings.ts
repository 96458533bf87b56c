/** What a GPU shows of itself beside MIG: power, temperature, clocks, ECC, PCIe and the like, at rest until told otherwise. */
import { checkOptions, shown } from '../arguments.js'
import { series } from '../layout/suggest.js'
import type { Backed, BoardRow } from './boards.js'
import { readingTable } from './data.js'
import { Readings } from './image-layout.js'

/**
 * What a GPU shows of itself, each in the unit of its name; null for what it does not have, which NVML then
 * answers NOT_SUPPORTED. What MIG mode takes away stays away, whatever is set here.
 */
export interface GpuReadings {
  /** nvmlDeviceGetPowerUsage. */
  readonly powerMilliwatts?: number | null
  /** nvmlDeviceGetPowerManagementLimit, nvmlDeviceGetEnforcedPowerLimit. */
  readonly powerLimitMilliwatts?: number | null
  /** nvmlDeviceGetPowerManagementDefaultLimit. */
  readonly powerDefaultLimitMilliwatts?: number | null
  /** nvmlDeviceGetPowerManagementLimitConstraints. */
  readonly powerMinLimitMilliwatts?: number | null
  readonly powerMaxLimitMilliwatts?: number | null
  /** nvmlDeviceGetTemperature. */
  readonly temperatureCelsius?: number | null
  /** nvmlDeviceGetFieldValues, field 82. */
  readonly memoryTemperatureCelsius?: number | null
  /** nvmlDeviceGetTemperatureThreshold, as the next three. */
  readonly shutdownTemperatureCelsius?: number | null
  readonly slowdownTemperatureCelsius?: number | null
  readonly gpuMaxTemperatureCelsius?: number | null
  readonly memoryMaxTemperatureCelsius?: number | null
  /** nvmlDeviceGetClockInfo. */
  readonly graphicsClockMHz?: number | null
  readonly smClockMHz?: number | null
  readonly memoryClockMHz?: number | null
  readonly videoClockMHz?: number | null
  /** nvmlDeviceGetMaxClockInfo. */
  readonly maxGraphicsClockMHz?: number | null
  readonly maxSmClockMHz?: number | null
  readonly maxMemoryClockMHz?: number | null
  readonly maxVideoClockMHz?: number | null
  /** 0 (P0, the fastest) to 15: nvmlDeviceGetPerformanceState. */
  readonly performanceState?: number | null
  /** nvmlDeviceGetFanSpeed. */
  readonly fanSpeedPercent?: number | null
  /** nvmlDeviceGetUtilizationRates, which a GPU in MIG mode does not answer; nor the four after. */
  readonly gpuUtilizationPercent?: number | null
  readonly memoryUtilizationPercent?: number | null
  /** nvmlDeviceGetEncoderUtilization. */
  readonly encoderUtilizationPercent?: number | null
  /** nvmlDeviceGetDecoderUtilization. */
  readonly decoderUtilizationPercent?: number | null
  /** nvmlDeviceGetJpgUtilization. */
  readonly jpegUtilizationPercent?: number | null
  /** nvmlDeviceGetOfaUtilization. */
  readonly ofaUtilizationPercent?: number | null
  /** In use while no client runs on a GPU that is not partitioned: nvmlDeviceGetMemoryInfo. */
  readonly idleMemoryMiB?: number | null
  /** Kept by the driver: nvmlDeviceGetMemoryInfo_v2. */
  readonly memoryReservedMiB?: number | null
  /** nvmlDeviceGetEccMode, and what it will be after a reboot. */
  readonly eccEnabled?: boolean | null
  readonly eccPendingEnabled?: boolean | null
  /** Since the driver was loaded: nvmlDeviceGetMemoryErrorCounter, nvmlDeviceGetTotalEccErrors. */
  readonly eccVolatileCorrectedDram?: number | null
  readonly eccVolatileUncorrectedDram?: number | null
  readonly eccVolatileCorrectedSram?: number | null
  readonly eccVolatileUncorrectedSram?: number | null
  /** Since the board was made. */
  readonly eccAggregateCorrectedDram?: number | null
  readonly eccAggregateUncorrectedDram?: number | null
  readonly eccAggregateCorrectedSram?: number | null
  readonly eccAggregateUncorrectedSram?: number | null
  /** nvmlDeviceGetRemappedRows, which a GPU with instances does not answer. */
  readonly remappedRowsCorrectable?: number | null
  readonly remappedRowsUncorrectable?: number | null
  readonly remappedRowsPending?: boolean | null
  readonly remappedRowsFailed?: boolean | null
  /** nvmlDeviceGetCurrPcieLinkGeneration. */
  readonly pcieGeneration?: number | null
  /** What board and slot can do together: nvmlDeviceGetMaxPcieLinkGeneration. */
  readonly pcieMaxGeneration?: number | null
  /** What the board can do: nvmlDeviceGetGpuMaxPcieLinkGeneration. */
  readonly pcieDeviceMaxGeneration?: number | null
  /** In lanes: nvmlDeviceGetCurrPcieLinkWidth. */
  readonly pcieWidth?: number | null
  /** nvmlDeviceGetMaxPcieLinkWidth. */
  readonly pcieMaxWidth?: number | null
  /** nvmlDeviceGetPcieThroughput. */
  readonly pcieTransmitKBps?: number | null
  readonly pcieReceiveKBps?: number | null
  /** nvmlDeviceGetPcieReplayCounter. */
  readonly pcieReplays?: number | null
  /** nvmlDeviceGetPersistenceMode. */
  readonly persistenceMode?: boolean | null
  /** A display is connected: nvmlDeviceGetDisplayMode. */
  readonly displayMode?: boolean | null
  /** A display is set up: nvmlDeviceGetDisplayActive. */
  readonly displayActive?: boolean | null
  /** 0 default, 2 prohibited, 3 one process: nvmlDeviceGetComputeMode. In MIG mode always 0. */
  readonly computeMode?: number | null
}

/** The name of one reading. */
export type ReadingName = keyof GpuReadings

/** A figure of readings.json; null where such boards have no such thing. */
interface ReadingRow<T> extends Backed {
  readonly value: T | null
}
type ReadingRows = { readonly [K in ReadingName]?: ReadingRow<number> } & { readonly vbiosVersion?: ReadingRow<string> }

/** lib/simulator/readings.json: figures of every board, of an architecture's, of a model; the narrowest counts. */
export interface ReadingTable {
  readonly format: string
  readonly about: string
  readonly sources: Readonly<Record<string, string>>
  readonly default: ReadingRows
  readonly architectures: Readonly<Record<string, ReadingRows>>
  readonly models: Readonly<Record<string, ReadingRows>>
}

/** Every reading of a GPU as NVML counts it. */
export type AllReadings = Readonly<Record<ReadingName, number | null>>

const FLAGS: ReadonlySet<ReadingName> = new Set<ReadingName>([
  'eccEnabled',
  'eccPendingEnabled',
  'remappedRowsPending',
  'remappedRowsFailed',
  'persistenceMode',
  'displayMode',
  'displayActive'
])

/** The most a reading can be where its name does not say it. */
const LIMITS: Readonly<Partial<Record<ReadingName, number>>> = { performanceState: 15, computeMode: 3 }

const mostOf = (name: ReadingName): number => {
  if (FLAGS.has(name)) return 1
  if (name.endsWith('Percent')) return 100
  // Counters of errors are the only ones of 64 bits; a number holds 53 of them.
  return (
    LIMITS[name] ?? (name.startsWith('eccVolatile') || name.startsWith('eccAggregate') ? Number.MAX_SAFE_INTEGER : 0xffffffff)
  )
}

const { bytes: _, ...fields } = Readings
const places: Readonly<Record<ReadingName, { readonly offset: number }>> = fields

/** The names, in the order of the image. */
export const READING_NAMES = Object.keys(places) as ReadingName[]

/** The readings of `given` as whole numbers; whatever is wrong with them is a sentence that starts with `where`. */
export function checkReadings(where: string, given: GpuReadings): Partial<AllReadings> {
  checkOptions(where, given, READING_NAMES)
  const checked: Partial<Record<ReadingName, number | null>> = {}
  for (const key of READING_NAMES) {
    const value: unknown = given[key]
    if (value === undefined) continue
    const most = mostOf(key)
    const right = FLAGS.has(key) ? ['true', 'false'] : [`a whole number from 0 to ${most}`]
    const fits =
      value === null ||
      (FLAGS.has(key)
        ? typeof value === 'boolean'
        : Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most)
    if (!fits) throw new RangeError(`${where}: ${key} is ${series([...right, 'null'], 'or')}, not ${shown(value)}`)
    checked[key] = value === null ? null : Number(value)
  }
  return checked
}

const rowsOf = (board: BoardRow<null>): ReadingRows => ({
  ...readingTable.default,
  ...readingTable.architectures[board.identity.architecture.split(' ')[0]!],
  ...readingTable.models[board.model]
})

/** What a board shows at rest, with what a request sets instead. */
export function readingsOf(board: BoardRow<null>, set: Partial<AllReadings> = {}): AllReadings {
  const rows = rowsOf(board)
  const atRest = READING_NAMES.map(name => [name, rows[name]?.value ?? null] as const)
  return { ...Object.fromEntries(atRest), idleMemoryMiB: board.idleMemory.mib, ...set } as AllReadings
}

/** The version of a board's video BIOS. */
export const vbiosVersionOf = (board: BoardRow<null>): string => rowsOf(board).vbiosVersion?.value ?? ''

const NONE = 2n ** 64n - 1n

/** A reading as the image keeps it. */
export const word = (value: number | null): bigint => (value === null ? NONE : BigInt(value))

/** Where a reading stands among the words of Readings. */
export const numberOf = (name: ReadingName): number => places[name].offset / 8
