/** Boards as a driver shows them beside the simulator's rows: what differs, and what the rows did not know. */
import { shown } from '../arguments.js'
import type { MigMode } from '../gpu.js'
import type { GpuInstanceProfileSnapshot, GpuSnapshot, Snapshot } from '../snapshot.js'
import { type BoardRow, type Confidence, labelsOf } from './boards.js'
import { comparedFigures } from './compare-figures.js'
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
  /** The model of the row; null: there is none, and `board` has the whole board. */
  readonly model: string | null
  /** The make of the board that is most like it, where the row knows several. */
  readonly variant: string | null
  /** What the whole row is from. */
  readonly sources: readonly string[]
  /** Figures in which the board differs from its row. One whose row is derived is worth as much as the next. */
  readonly differences: readonly ComparedFigure[]
  /** Figures that the row does not know, or has only derived, and that the driver tells: what is worth most to send. */
  readonly settles: readonly ComparedFigure[]
  /** What could not be compared, with NVML's code: 'profiles: NOT_SUPPORTED'. */
  readonly unread: readonly string[]
  readonly board: ReportedBoard | null
}

/** A node beside the simulator's rows. Nothing in it tells the machine: no serial, UUID or bus id. */
export interface Comparison {
  readonly format: 'nvml-mig-comparison/1'
  readonly driver: { readonly version: string; readonly nvml: string | null; readonly cuda: string | null }
  /** Whether no figure differs and no board is without a row. GPUs without MIG do not count. */
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

/** What NVML would not tell of a board, without the calls: a code is enough to see why. */
function unreadOf({ profiles, unavailable }: GpuSnapshot): string[] {
  const compared = ['gpu', 'name', 'pciDeviceId', 'architecture', 'computeCapability', 'memory', 'bar1', 'profiles']
  const own = compared.flatMap(field => (unavailable[field] ? [`${field}: ${unavailable[field].code}`] : []))
  const places = (profiles ?? []).flatMap(({ name, unavailable: missing = {} }) =>
    missing.placements ? [`placements of ${name}: ${(missing.placements as { code: string }).code}`] : []
  )
  return [...own, ...places]
}

/** The row under the make of the board that differs the least. */
function compareWith(row: BoardRow<null>, gpu: GpuSnapshot, release: Release) {
  const tried = [undefined, ...labelsOf(row)].map(variant => ({ variant, ...comparedFigures(row, gpu, release, variant) }))
  return tried.reduce((best, each) => (each.differences.length < best.differences.length ? each : best))
}

function compareGpu(gpu: GpuSnapshot, release: Release): ComparedGpu {
  const row = gpu.unavailable.gpu ? undefined : rowOf(gpu)
  const { index, name, migMode } = gpu
  const head = { indices: [index], name, migMode, unread: unreadOf(gpu) }
  if (!row) {
    const board = gpu.migCapable ? reported(gpu) : null
    return { ...head, model: null, variant: null, sources: [], differences: [], settles: [], board }
  }
  const { variant = null, differences, settles } = compareWith(row, gpu, release)
  return { ...head, model: row.model, variant, sources: row.sources, differences, settles, board: null }
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
 * snapshot has only what live GPU instances offer; with MIG off, drivers before R550 tell no profile at all.
 * @throws TypeError for what is no snapshot of a format this package knows; RangeError for a driver without MIG.
 */
export function compareWithRows(snapshot: Snapshot): Comparison {
  const { format, driver, gpus } = snapshot ?? {}
  if (format !== 'nvml-mig-snapshot/1' || !driver || !Array.isArray(gpus)) {
    throw new TypeError(`compareWithRows takes a snapshot of format 'nvml-mig-snapshot/1', not ${shown(format ?? snapshot)}`)
  }
  const { version, nvml, cuda } = driver
  if (version === null) throw new RangeError('compareWithRows: the driver did not tell its version, by which rows differ')
  const release = releaseLike(version)
  const compared = grouped(gpus.map(gpu => compareGpu(gpu, release)))
  return {
    format: 'nvml-mig-comparison/1',
    driver: { version, nvml, cuda },
    equal: compared.every(({ differences, board }) => differences.length === 0 && board === null),
    gpus: compared
  }
}
