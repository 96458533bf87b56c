/** Boards as a driver shows them beside the simulator's rows: what differs, and what the rows did not know. */
import { shown } from '../arguments.js'
import type { MigMode } from '../gpu.js'
import type { Unavailable } from '../profiles.js'
import type { GpuInstanceProfileSnapshot, GpuSnapshot, Snapshot, UnavailableFields } from '../snapshot.js'
import type { Confidence } from './boards.js'
import { checkShape } from './check-snapshot.js'
import { comparedToMake } from './compare-figures.js'
import { type Release, releaseLike } from './releases.js'
import { rowOf } from './row-of.js'
import { sizesOf } from './snapshot-figures.js'

/** A figure of a board, as the row has it and as the driver reported it. */
export interface ComparedFigure {
  /** 'memoryMiB'; 'profile' is a whole one, which only one of the two has. */
  readonly figure: string
  /** The profile it belongs to: '3g.90gb', or '1c.2g.48gb of 2g.48gb'. Null for the board's own. */
  readonly of: string | null
  /** What the row has; null: nothing. */
  readonly row: unknown
  /** How strong that is; 'unknown': nobody recorded it; null: the row does not grade this figure. */
  readonly confidence: Confidence | 'unknown' | null
  /** Where the row has it from, where it says so of this figure alone; `sources` are those of the whole row. */
  readonly source: string | null
  /** What the driver reported; null: nothing, where the row has something. */
  readonly driver: unknown
}

/** What a board of which there is no row says of itself, without what tells it from another of its kind. */
export type ReportedBoard = Pick<
  GpuSnapshot,
  'name' | 'pciDeviceId' | 'pciSubSystemId' | 'vbiosVersion' | 'brand' | 'architecture' | 'computeCapability' | 'maxMigDevices'
> & {
  readonly memoryTotalMiB: number | null
  readonly bar1TotalMiB: number | null
  readonly profiles: readonly Omit<GpuInstanceProfileSnapshot, 'remaining'>[] | null
}

/** One board beside its row, or several that are alike. */
export interface ComparedGpu {
  readonly indices: readonly number[]
  /** What the driver calls it. */
  readonly name: string | null
  readonly migMode: MigMode | null
  /**
   * `equal` in whatever could be read; `different`, as is a board without a row; `unread`: the GPU or its profiles could
   * not be, so whether it is equal is not known; `no-mig`: there is nothing to compare.
   */
  readonly result: 'equal' | 'different' | 'unread' | 'no-mig'
  /** The model of the row; null: there is none, and `board` has the whole board if it has MIG and could be read. */
  readonly model: string | null
  /** The make of the board that is most like it, where the row knows several. */
  readonly variant: string | null
  /** What the whole row is from. */
  readonly sources: readonly string[]
  /** Figures in which the board differs from its row. One whose row is derived is worth as much as the next. */
  readonly differences: readonly ComparedFigure[]
  /** Figures that the row does not know, or has only derived, and that the driver tells: what is worth most to send. */
  readonly settles: readonly ComparedFigure[]
  /** What could not be compared, with NVML's code: 'profiles: NOT_SUPPORTED'; 'gpu: GPU_IS_LOST' of one of which nothing could. */
  readonly unread: readonly string[]
  readonly board: ReportedBoard | null
}

/** A node beside the simulator's rows. Nothing in it tells the machine: no serial, UUID or bus id. */
export interface Comparison {
  readonly format: 'nvml-mig-comparison/1'
  readonly driver: { readonly version: string; readonly nvml: string | null; readonly cuda: string | null }
  /** Whether every GPU is `equal`. Those without MIG do not count; a node without a GPU is not equal to anything. */
  readonly equal: boolean
  readonly gpus: readonly ComparedGpu[]
}

function reported({ profiles, ...gpu }: GpuSnapshot): ReportedBoard {
  const { name, pciDeviceId, pciSubSystemId, vbiosVersion, brand, architecture, computeCapability } = gpu
  return {
    ...{ name, pciDeviceId, pciSubSystemId, vbiosVersion, brand, architecture, computeCapability },
    ...sizesOf(gpu),
    maxMigDevices: gpu.maxMigDevices,
    profiles: profiles?.map(({ remaining, ...profile }) => profile) ?? null
  }
}

/** The code for which some fields are missing. */
const codes = (missing: UnavailableFields, fields: readonly string[], of = ''): string[] =>
  fields.flatMap(field => (missing[field] ? [`${field}${of}: ${missing[field].code}`] : []))

const COMPARED = ['name', 'pciDeviceId', 'architecture', 'computeCapability', 'memory', 'bar1', 'maxMigDevices', 'profiles']

/** What NVML would not tell of a board, without the calls: a code is enough to see why. */
function unreadOf({ profiles, unavailable }: GpuSnapshot): string[] {
  const ofProfiles = (profiles ?? []).flatMap(({ name, unavailable: missing = {}, computeInstanceProfiles }) => [
    ...codes(missing, ['placements', 'computeInstanceProfiles'], ` of ${name}`),
    ...(computeInstanceProfiles ?? []).flatMap(part =>
      codes(part.unavailable ?? {}, ['placements'], ` of ${part.name} of ${name}`)
    )
  ])
  return [...codes(unavailable, COMPARED), ...ofProfiles]
}

/** Why nothing of a GPU could be read, if so: it could not be opened, or was lost since. */
function unreadable({ name, pciDeviceId, unavailable }: GpuSnapshot): Unavailable | undefined {
  return unavailable.gpu ?? (name === null && pciDeviceId === null ? unavailable.name : undefined)
}

function compareGpu(gpu: GpuSnapshot, release: Release): ComparedGpu {
  const { index, name, migMode } = gpu
  const head = { indices: [index], name, migMode }
  const nothing = { model: null, variant: null, sources: [], differences: [], settles: [], board: null }
  const why = unreadable(gpu)
  if (why) return { ...head, result: 'unread', ...nothing, unread: [`gpu: ${why.code}`] }
  const unread = unreadOf(gpu)
  const row = rowOf(gpu)
  if (!row) {
    if (!gpu.migCapable) return { ...head, result: 'no-mig', ...nothing, unread }
    return { ...head, result: 'different', ...nothing, unread, board: reported(gpu) }
  }
  const { variant = null, differences, settles } = comparedToMake(row, gpu, release)
  const result = differences.length > 0 ? 'different' : gpu.profiles === null ? 'unread' : 'equal'
  return { ...head, result, model: row.model, variant, sources: row.sources, differences, settles, unread, board: null }
}

/** Boards that compare alike, as one. */
function grouped(gpus: readonly ComparedGpu[]): ComparedGpu[] {
  const groups = new Map<string, ComparedGpu>()
  for (const { indices, ...gpu } of gpus) {
    const key = JSON.stringify(gpu)
    groups.set(key, { indices: [...(groups.get(key)?.indices ?? []), ...indices], ...gpu })
  }
  return [...groups.values()]
}

/**
 * Compares the boards of a snapshot with the simulator's rows of them, figure by figure. Of compute instances a
 * snapshot has only what live GPU instances offer; with MIG off, drivers before R550 tell no profile at all, which is
 * not enough to be equal.
 * @throws TypeError for what is no snapshot of a format this package knows, with the path of what is wrong;
 *   RangeError for a driver without MIG.
 */
export function compareWithRows(snapshot: Snapshot): Comparison {
  const { format } = snapshot ?? {}
  if (format !== 'nvml-mig-snapshot/1') {
    throw new TypeError(`compareWithRows takes a snapshot of format 'nvml-mig-snapshot/1', not ${shown(format ?? snapshot)}`)
  }
  const { driver, gpus } = checkShape('compareWithRows: snapshot', snapshot)
  const { version, nvml, cuda } = driver
  if (version === null) throw new RangeError('compareWithRows: the driver did not tell its version, by which rows differ')
  const release = releaseLike(version)
  const compared = grouped(gpus.map(gpu => compareGpu(gpu, release)))
  return {
    format: 'nvml-mig-comparison/1',
    driver: { version, nvml, cuda },
    equal: compared.length > 0 && compared.every(({ result }) => result === 'equal' || result === 'no-mig'),
    gpus: compared
  }
}
