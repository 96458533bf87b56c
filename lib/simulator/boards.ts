/**
 * Boards as data: the rows of boards/*.json, every figure with the strength of what backs it, and
 * what a row says of a board under one driver release.
 */
import type { Dialects } from './dialects.js'
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

/** What is known of something, and from where. */
export interface Backed {
  readonly confidence: Confidence
  readonly source: string
}

/** Memory that shows as used while nothing runs. */
export interface IdleMemory extends Backed {
  readonly mib: number
}

/** A compute-instance profile, as one GPU-instance profile offers it. */
export interface ComputeProfileRow<Unknown = never> {
  /** Without the driver's 'MIG ' in front: '1c.3g.20gb'. */
  readonly name: string
  /** The profile id. */
  readonly id: number
  /** NVML_COMPUTE_INSTANCE_PROFILE_*, where that is not the id. */
  readonly slot?: number
  readonly slices: number
  /** How many fit into an empty GPU instance. */
  readonly instances: number
  readonly multiprocessors: number | Unknown
  /** Where one may start, in compute slots of the GPU instance, and how many it takes. */
  readonly starts: readonly number[]
  readonly size: number
  /** Where they are not those of the GPU instance. */
  readonly engines?: Readonly<Record<'copyEngines' | 'decoders' | 'encoders' | 'jpegs' | 'ofas', number>>
  readonly confidence: Confidence
  readonly placementConfidence: Confidence
}

/** A GPU-instance profile. Its compute instances share its engines. */
export interface GpuProfileRow<Unknown = never> {
  /** Without the driver's 'MIG ' in front: '3g.20gb'. */
  readonly name: string
  readonly id: number | Unknown
  /** NVML_GPU_INSTANCE_PROFILE_*. */
  readonly slot: number | Unknown
  readonly computeSlices: number
  readonly memorySlices: number | Unknown
  /** Where one may start, in memory slices of the board. */
  readonly starts: readonly number[] | Unknown
  /** How many fit on an empty board. */
  readonly instances: number
  /** `instances` as NVML tells it, where that is wrong. */
  readonly reportedInstances?: number
  readonly multiprocessors: number | Unknown
  readonly engines: {
    readonly copyEngines: number
    readonly decoders: number | Unknown
    readonly encoders: number
    readonly jpegs: number | Unknown
    readonly ofas: number
  }
  readonly p2p: boolean
  /** Bits of NVML_GPU_INSTANCE_PROFILE_CAPS_*; if left out, those that the name tells. */
  readonly capabilities?: number
  readonly memoryMiB: number | Unknown
  readonly confidence: Confidence
  readonly placementConfidence: Confidence | Unknown
  /** The driver branch that lists it first, where that is not the board's first. */
  readonly since?: Backed & { readonly branch: number }
  readonly idleMemory: IdleMemory
  readonly computeInstances: readonly ComputeProfileRow<Unknown>[] | Unknown
}

/**
 * What another range of driver branches, another make of the board or a dialect reports instead of the row's
 * own figures.
 */
export interface Variant extends BranchRange, Backed {
  /** A make of the board that a request asks for by this label; without one the driver branches alone decide. */
  readonly label?: string
  /** Only on a node that speaks this dialect. */
  readonly dialect?: keyof Dialects
  readonly name?: string
  /** Other names of profiles, by the row's. */
  readonly names?: Readonly<Record<string, string>>
  readonly memoryTotalMiB?: number
  /** By the row's profile names. */
  readonly memoryMiB?: Readonly<Record<string, number>>
  /** Counts that NVML tells instead of `instances`, by the row's profile names. */
  readonly reportedInstances?: Readonly<Record<string, number>>
}

/** Profiles that may not be live at once: one of `profiles` beside another of them, or beside one of `beside`. */
export interface Exclusion extends BranchRange, Backed {
  readonly profiles: readonly string[]
  readonly beside?: readonly string[]
}

/**
 * One board: `format: nvml-mig-board/1`. `BoardRow` has every figure that NVML must answer;
 * `BoardRow<null>` has null for what nobody recorded.
 */
export interface BoardRow<Unknown = never> {
  readonly format: string
  readonly model: string
  /** The board whose rows these are, and what says so. */
  readonly sameAs?: string
  readonly sharedRows?: Backed
  /** The board that figures nobody recorded are taken from where they have to be derived. */
  readonly sibling?: string
  readonly identity: {
    readonly name: string | Unknown
    readonly architecture: string
    readonly computeCapability: string
    readonly pciDeviceId: string | Unknown
    readonly pciSubSystemId: string | Unknown
    readonly memoryTotalMiB: number | Unknown
    readonly memoryTotalSource: string
    readonly bar1TotalMiB: number | Unknown
    readonly multiprocessorCount: number | Unknown
    readonly memorySlices: number | Unknown
    readonly computeSlices: number
    readonly maxMigDevices: number
  }
  readonly minimumDriver: Backed & { readonly version: string }
  /** A change of MIG mode waits for a GPU reset, and then outlives a reboot. */
  readonly modeNeedsReset: boolean
  /** Compute slots are given out aligned, where that costs the least capacity; otherwise first fit. */
  readonly alignedComputeSlots: boolean
  readonly idleMemory: IdleMemory
  readonly variants: readonly Variant[]
  /** Figures that were seen but name no driver release, so no node shows them. */
  readonly seenElsewhere: readonly string[]
  readonly excludes: readonly Exclusion[]
  readonly profiles: readonly GpuProfileRow<Unknown>[] | Unknown
  readonly sources: readonly string[]
}

const covers = ({ from = 0, below = Number.POSITIVE_INFINITY }: BranchRange, branch: number): boolean =>
  from <= branch && branch < below

/** A profile's name without its attribute, as its compute instances are called: '1g.24gb' for '1g.24gb+me.all'. */
export const plainName = (name: string): string => name.replace(/[+-].*$/, '')

/** The compute-instance rows of a profile called `was`, as they are called where it is called `is`. */
export const renamedRows = <T>(rows: readonly ComputeProfileRow<T>[], was: string, is: string): ComputeProfileRow<T>[] =>
  rows.map(row => ({ ...row, name: row.name.replace(plainName(was), plainName(is)) }))

/** The profile under another name, its compute instances' names with it. */
const renamed = (profile: GpuProfileRow<null>, name: string): GpuProfileRow<null> => ({
  ...profile,
  name,
  computeInstances: profile.computeInstances && renamedRows(profile.computeInstances, profile.name, name)
})

/** The makes of a board that a request can ask for. */
export const labelsOf = ({ variants }: BoardRow<null>): string[] => [
  ...new Set(variants.flatMap(({ label }) => (label === undefined ? [] : [label])))
]

/** What of a row another make, range of branches or dialect reports instead, of those that apply. */
export const variantsUnder = (
  { variants }: BoardRow<null>,
  { branch }: Release,
  label: string | undefined,
  dialects: Dialects = {}
): Variant[] =>
  variants.filter(
    variant =>
      covers(variant, branch) &&
      (variant.label === undefined || variant.label === label) &&
      (variant.dialect === undefined || dialects[variant.dialect])
  )

/** Which of the row's profiles go by another name. */
export const namesUnder = (row: BoardRow<null>, release: Release, label?: string): Readonly<Record<string, string>> =>
  Object.assign({}, ...variantsUnder(row, release, label).map(({ names }) => names))

/**
 * The row as `release` shows it in the dialects of a node, for the make of the board called `label` if one is
 * asked for: its names, its memory sizes, its counts, and the profiles and exclusions it knows.
 */
export function underDriver(row: BoardRow, release: Release, label?: string, dialects?: Dialects): BoardRow {
  if (isOlder(release.version, row.minimumDriver.version)) {
    throw new RangeError(`${row.model} needs driver ${row.minimumDriver.version} or later: ${release.version} does not know it`)
  }
  return shownBy(row, release, label, dialects)
}

/** The exclusions that a release knows, of profiles called as `called` says. */
export const exclusionsUnder = (
  { excludes }: Pick<BoardRow<null>, 'excludes'>,
  { branch }: Release,
  called: (profile: string) => string
): Exclusion[] =>
  excludes
    .filter(rule => covers(rule, branch))
    .map(rule => ({
      ...rule,
      profiles: rule.profiles.map(called),
      ...(rule.beside && { beside: rule.beside.map(called) })
    }))

/** {@link underDriver} for a release that shows such a board, whatever is on record of its first. */
export function shownBy(row: BoardRow, release: Release, label?: string, dialects?: Dialects): BoardRow
/** The same of a row with figures that nobody recorded: those stay null. */
export function shownBy(row: BoardRow<null>, release: Release, label?: string, dialects?: Dialects): BoardRow<null>
export function shownBy(row: BoardRow<null>, release: Release, label?: string, dialects?: Dialects): BoardRow<null> {
  const variants = variantsUnder(row, release, label, dialects)
  const { name, memoryTotalMiB } = Object.assign({}, row.identity, ...variants) as BoardRow<null>['identity']
  const memoryMiB: Record<string, number> = Object.assign({}, ...variants.map(variant => variant.memoryMiB))
  const reported: Record<string, number> = Object.assign({}, ...variants.map(variant => variant.reportedInstances))
  const names = namesUnder(row, release, label)
  const called = (profile: string): string => names[profile] ?? profile
  return {
    ...row,
    identity: { ...row.identity, name, memoryTotalMiB },
    excludes: exclusionsUnder(row, release, called),
    profiles:
      row.profiles === null
        ? null
        : row.profiles
            .filter(({ since, slot }) => (since?.branch ?? 0) <= release.branch && (slot ?? 0) < release.gpuInstanceProfileSlots)
            .map(profile => ({
              ...renamed(profile, called(profile.name)),
              memoryMiB: memoryMiB[profile.name] ?? profile.memoryMiB,
              ...(reported[profile.name] !== undefined && { reportedInstances: reported[profile.name]! })
            }))
  }
}

/** The profiles that may not be live beside the one called `name`. */
export function excludedBeside({ excludes }: Pick<BoardRow, 'excludes'>, name: string): Set<string> {
  const excluded = new Set<string>()
  for (const { profiles, beside = [] } of excludes) {
    if (profiles.includes(name)) for (const other of [...profiles, ...beside]) excluded.add(other)
    if (beside.includes(name)) for (const other of profiles) excluded.add(other)
  }
  excluded.delete(name)
  return excluded
}
