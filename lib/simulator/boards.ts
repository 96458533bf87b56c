/**
 * Boards as data: the rows of boards/*.json, every figure with the strength of what backs it, and
 * what a row says of a board under one driver release.
 */
import { closest, series } from '../layout/suggest.js'
import { boards } from './data.js'
import { isOlder, type Release } from './releases.js'

/**
 * How a figure is known: `recorded` in real output, `documented` by NVIDIA or a configuration file,
 * or `derived`: computed, or carried over from a sibling.
 */
export type Confidence = 'recorded' | 'documented' | 'derived'

/** Which driver branches something applies to: from `from` on, up to but not including `below`. */
export interface BranchRange {
  readonly from?: number
  readonly below?: number
}

interface Backed {
  readonly confidence: Confidence
  readonly source: string
}

/** Memory that shows as used while nothing runs. */
export interface IdleMemory extends Backed {
  readonly mib: number
}

/** A compute-instance profile, as one GPU-instance profile offers it. */
export interface ComputeProfileRow {
  /** Without the driver's 'MIG ' in front: '1c.3g.20gb'. */
  readonly name: string
  /** The profile id, which is also its slot, NVML_COMPUTE_INSTANCE_PROFILE_*. */
  readonly id: number
  readonly slices: number
  /** How many fit into an empty GPU instance. */
  readonly instances: number
  readonly multiprocessors: number
  /** Where one may start, in compute slots of the GPU instance, and how many it takes. */
  readonly starts: readonly number[]
  readonly size: number
  readonly confidence: Confidence
  readonly placementConfidence: Confidence
}

/** A GPU-instance profile. Its compute instances share its engines. */
export interface GpuProfileRow {
  /** Without the driver's 'MIG ' in front: '3g.20gb'. */
  readonly name: string
  readonly id: number
  /** NVML_GPU_INSTANCE_PROFILE_*. */
  readonly slot: number
  readonly computeSlices: number
  readonly memorySlices: number
  /** Where one may start, in memory slices of the board. */
  readonly starts: readonly number[]
  /** How many fit on an empty board. */
  readonly instances: number
  readonly multiprocessors: number
  readonly engines: {
    readonly copyEngines: number
    readonly decoders: number
    readonly encoders: number
    readonly jpegs: number
    readonly ofas: number
  }
  readonly p2p: boolean
  readonly memoryMiB: number
  readonly confidence: Confidence
  readonly placementConfidence: Confidence
  /** The driver branch that lists it first, where that is not the board's first. */
  readonly since?: Backed & { readonly branch: number }
  readonly idleMemory: IdleMemory
  readonly computeInstances: readonly ComputeProfileRow[]
}

/** What another range of driver branches reports instead of the row's own figures. */
export interface Variant extends BranchRange, Backed {
  readonly name?: string
  readonly memoryTotalMiB?: number
  /** By profile name. */
  readonly memoryMiB?: Readonly<Record<string, number>>
}

/** One board: `format: nvml-mig-board/1`. */
export interface BoardRow {
  readonly format: string
  readonly model: string
  readonly identity: {
    readonly name: string
    readonly architecture: string
    readonly computeCapability: string
    readonly pciDeviceId: string
    readonly pciSubSystemId: string
    readonly memoryTotalMiB: number
    readonly memoryTotalSource: string
    readonly bar1TotalMiB: number
    readonly multiprocessorCount: number
    readonly memorySlices: number
    readonly computeSlices: number
    readonly maxMigDevices: number
  }
  readonly minimumDriver: { readonly version: string; readonly source: string }
  /** A change of MIG mode waits for a GPU reset, and then outlives a reboot. */
  readonly modeNeedsReset: boolean
  /** Compute slots are given out aligned, where that costs the least capacity; otherwise first fit. */
  readonly alignedComputeSlots: boolean
  readonly idleMemory: IdleMemory
  readonly variants: readonly Variant[]
  /** Figures that were seen but name no driver release, so no node shows them. */
  readonly seenElsewhere: readonly string[]
  /** Pairs of profiles that may not be live at once. */
  readonly excludes: readonly (BranchRange & Backed & { readonly profiles: readonly string[] })[]
  readonly profiles: readonly GpuProfileRow[]
  readonly sources: readonly string[]
}

/** The models there are, by the names `simulate` takes. */
export const models: readonly string[] = boards.map(({ model }) => model)

/** The row of a model; upper and lower case are one. */
export function findBoard(model: string): BoardRow {
  const wanted = model.toLowerCase()
  const found = boards.find(row => row.model.toLowerCase() === wanted)
  if (found) return found
  const meant = closest(model, models)
  const hint = meant.length > 0 ? `; did you mean ${series(meant, 'or')}?` : '.'
  throw new RangeError(`there is no board '${model}'${hint} The simulator has ${series(models)}.`)
}

const covers = ({ from = 0, below = Number.POSITIVE_INFINITY }: BranchRange, branch: number): boolean =>
  from <= branch && branch < below

/** The row as `release` shows it: its name, its memory sizes, and the profiles and exclusions it knows. */
export function underDriver(row: BoardRow, release: Release): BoardRow {
  if (isOlder(release.version, row.minimumDriver.version)) {
    throw new RangeError(`${row.model} needs driver ${row.minimumDriver.version} or later: ${release.version} does not know it`)
  }
  const variants = row.variants.filter(variant => covers(variant, release.branch))
  const { name, memoryTotalMiB } = Object.assign({}, row.identity, ...variants) as BoardRow['identity']
  const memoryMiB: Record<string, number> = Object.assign({}, ...variants.map(variant => variant.memoryMiB))
  return {
    ...row,
    identity: { ...row.identity, name, memoryTotalMiB },
    excludes: row.excludes.filter(pair => covers(pair, release.branch)),
    profiles: row.profiles
      .filter(({ since, slot }) => (since?.branch ?? 0) <= release.branch && slot < release.gpuInstanceProfileSlots)
      .map(profile => ({ ...profile, memoryMiB: memoryMiB[profile.name] ?? profile.memoryMiB }))
  }
}
