/** The figures of one board, one by one: what its row has of each, how strongly, and what the driver told. */
import type { ComputeInstanceProfileSnapshot, GpuInstanceProfileSnapshot, GpuSnapshot } from '../snapshot.js'
import {
  type BoardRow,
  type ComputeProfileRow,
  type Confidence,
  type GpuProfileRow,
  labelsOf,
  namesUnder,
  shownBy,
  type Variant,
  variantsUnder
} from './boards.js'
import type { ComparedFigure } from './compare.js'
import { capabilitiesOf } from './compile-image.js'
import { isOlder, type Release } from './releases.js'
import { profileRowOf } from './row-of.js'
import { sizesOf } from './snapshot-figures.js'

/** What backs a figure of a row: null confidence where the row grades the board as a whole. */
interface Backing {
  readonly confidence: Confidence | null
  readonly source?: string
}

const UNGRADED: Backing = { confidence: null }
const LEVELS: readonly Confidence[] = ['recorded', 'documented', 'derived']
const weaker = (a: Confidence, b: Confidence): Confidence => LEVELS[Math.max(LEVELS.indexOf(a), LEVELS.indexOf(b))]!

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
const withoutPrefix = (name: string): string => name.replace(/^MIG /, '')
const startsOf = ({ placements }: Pick<GpuInstanceProfileSnapshot, 'placements'>) => placements?.map(({ start }) => start) ?? null
const sizeOf = ({ placements }: Pick<GpuInstanceProfileSnapshot, 'placements'>) => placements?.[0]?.size ?? null

/** What a driver gives of a profile as a whole, without what changes from one moment to the next. */
const whole = ({ remaining, unavailable, ...profile }: GpuInstanceProfileSnapshot): object => profile

class Comparer {
  readonly differences: ComparedFigure[] = []
  readonly settles: ComparedFigure[] = []
  readonly #row: BoardRow<null>
  readonly #variants: readonly Variant[]

  constructor(row: BoardRow<null>, variants: readonly Variant[]) {
    this.#row = row
    this.#variants = variants
  }

  /** Compares a figure; what the driver did not tell (null) is none. */
  figure(figure: string, of: string | null, row: unknown, driver: unknown, { confidence, source = undefined }: Backing): void {
    if (driver === null) return
    const compared = {
      figure,
      of,
      row,
      confidence: row === null ? ('unknown' as const) : confidence,
      source: source ?? null,
      driver
    }
    if (row !== null && !same(row, driver)) this.differences.push(compared)
    else if (row === null || confidence === 'derived') this.settles.push(compared)
  }

  /** A profile that only one of the two has. */
  profile(of: string, row: unknown, driver: unknown, backing: Backing): void {
    const compared = { figure: 'profile', of, row, confidence: backing.confidence, source: backing.source ?? null, driver }
    this.differences.push(compared)
  }

  /** A profile of which the row says nothing, because it knows none. */
  unknownProfile(told: GpuInstanceProfileSnapshot): void {
    this.settles.push({ figure: 'profile', of: told.name, row: null, confidence: 'unknown', source: null, driver: whole(told) })
  }

  /** What backs figures of a profile, which may be those of a sibling board. */
  graded(confidence: Confidence | null): Backing {
    const shared = this.#row.sharedRows
    if (confidence === null) return UNGRADED
    return shared && weaker(confidence, shared.confidence) !== confidence ? shared : { confidence }
  }

  /** What backs a figure that a variant may have changed: the variant that did. */
  varied(usual: Backing, changes: (variant: Variant) => unknown): Backing {
    return this.#variants.findLast(variant => changes(variant) !== undefined) ?? usual
  }
}

/** '570.148.08' and 'several hosts' of 'recorded: …'; nothing of 'not known'. */
function totalBacking(source: string): Backing {
  const confidence = LEVELS.find(level => source.startsWith(level))
  return confidence ? { confidence, source } : { ...UNGRADED, source }
}

function compareIdentity(comparer: Comparer, row: BoardRow<null>, shown: BoardRow<null>, gpu: GpuSnapshot): void {
  const { identity } = shown
  const upper = (id: string | null) => id?.toUpperCase().replace('0X', '0x') ?? null
  const named = comparer.varied(UNGRADED, ({ name }) => name)
  const total = comparer.varied(totalBacking(row.identity.memoryTotalSource), ({ memoryTotalMiB }) => memoryTotalMiB)
  comparer.figure('name', null, identity.name, gpu.name, named)
  comparer.figure('architecture', null, identity.architecture.split(' ')[0], gpu.architecture, UNGRADED)
  comparer.figure('computeCapability', null, identity.computeCapability, gpu.computeCapability, UNGRADED)
  comparer.figure('pciDeviceId', null, upper(identity.pciDeviceId), upper(gpu.pciDeviceId), UNGRADED)
  comparer.figure('pciSubSystemId', null, upper(identity.pciSubSystemId), upper(gpu.pciSubSystemId), UNGRADED)
  comparer.figure('memoryTotalMiB', null, identity.memoryTotalMiB, sizesOf(gpu).memoryTotalMiB, total)
  comparer.figure('bar1TotalMiB', null, identity.bar1TotalMiB, sizesOf(gpu).bar1TotalMiB, UNGRADED)
  // 0 while MIG is off, on any board.
  comparer.figure('maxMigDevices', null, identity.maxMigDevices, gpu.maxMigDevices || null, UNGRADED)
}

function compareCompute(
  comparer: Comparer,
  of: string,
  told: ComputeInstanceProfileSnapshot,
  row: ComputeProfileRow<null>,
  { engines }: GpuProfileRow<null>
): void {
  const graded = comparer.graded(row.confidence)
  const placed = comparer.graded(row.placementConfidence)
  comparer.figure('name', of, row.name, told.reportedName && withoutPrefix(told.reportedName), graded)
  comparer.figure('id', of, row.id, told.id, graded)
  comparer.figure('slices', of, row.slices, told.slices, graded)
  comparer.figure('instances', of, row.instances, told.maxInstances, graded)
  comparer.figure('multiprocessors', of, row.multiprocessors, told.multiprocessors, graded)
  comparer.figure('starts', of, row.starts, startsOf(told), placed)
  comparer.figure('size', of, row.size, sizeOf(told), placed)
  compareEngines(comparer, of, row.engines ?? engines, told, graded)
}

function compareEngines(
  comparer: Comparer,
  of: string,
  row: Readonly<Record<string, number | null>>,
  { engines }: Pick<ComputeInstanceProfileSnapshot, 'engines'>,
  graded: Backing
): void {
  const { copy: copyEngines, decoder: decoders, encoder: encoders, jpeg: jpegs, opticalFlow: ofas } = engines
  for (const [name, count] of Object.entries({ copyEngines, decoders, encoders, jpegs, ofas })) {
    comparer.figure(name, of, row[name], count, graded)
  }
}

function compareProfile(
  comparer: Comparer,
  told: GpuInstanceProfileSnapshot,
  row: GpuProfileRow<null>,
  raw: GpuProfileRow<null>
): void {
  const of = row.name
  const graded = comparer.graded(row.confidence)
  const placed = row.placementConfidence === null ? graded : comparer.graded(row.placementConfidence)
  const named = comparer.varied(graded, ({ names }) => names?.[raw.name])
  const sized = comparer.varied(graded, ({ memoryMiB }) => memoryMiB?.[raw.name])
  comparer.figure('name', of, row.name, told.reportedName && withoutPrefix(told.reportedName), named)
  comparer.figure('id', of, row.id, told.id, graded)
  comparer.figure('slot', of, row.slot, told.slot, graded)
  comparer.figure('computeSlices', of, row.computeSlices, told.slices, graded)
  comparer.figure('memorySlices', of, row.memorySlices, sizeOf(told), placed)
  comparer.figure('starts', of, row.starts, startsOf(told), placed)
  comparer.figure('instances', of, row.reportedInstances ?? row.instances, told.maxInstances, graded)
  comparer.figure('multiprocessors', of, row.multiprocessors, told.multiprocessors, graded)
  compareEngines(comparer, of, row.engines, told, graded)
  comparer.figure('p2p', of, row.p2p, told.p2p, graded)
  // Their lowest bit is p2p, which stands above.
  const rest = (capabilities: number) => capabilities - (capabilities % 2)
  comparer.figure(
    'capabilities',
    of,
    rest(capabilitiesOf(row)),
    told.capabilities === null ? null : rest(told.capabilities),
    UNGRADED
  )
  comparer.figure('memoryMiB', of, row.memoryMiB, told.memoryMiB, sized)
  compareOffers(comparer, of, told, row)
}

/** The compute instances that a live GPU instance offers. */
function compareOffers(comparer: Comparer, of: string, told: GpuInstanceProfileSnapshot, row: GpuProfileRow<null>): void {
  const offered = told.computeInstanceProfiles
  if (offered === null) return
  const left = new Set(row.computeInstances ?? [])
  for (const profile of offered) {
    const known = [...left].find(({ id, slot = id }) => slot === profile.slot)
    const title = `${known?.name ?? profile.name} of ${of}`
    if (known) {
      left.delete(known)
      compareCompute(comparer, title, profile, known, row)
    } else if (row.computeInstances === null) {
      const { unavailable, ...rest } = profile
      comparer.settles.push({ figure: 'profile', of: title, row: null, confidence: 'unknown', source: null, driver: rest })
    } else comparer.profile(title, null, profile, UNGRADED)
  }
  for (const known of left) comparer.profile(`${known.name} of ${of}`, known.name, null, comparer.graded(known.confidence))
}

/** The figures in which a board differs from its row, and those that the row does not know, or has derived. */
function comparedFigures(
  row: BoardRow<null>,
  gpu: GpuSnapshot,
  release: Release,
  label: string | undefined
): { readonly differences: readonly ComparedFigure[]; readonly settles: readonly ComparedFigure[] } {
  const comparer = new Comparer(row, variantsUnder(row, release, label))
  const shown = shownBy(row, release, label)
  compareIdentity(comparer, row, shown, gpu)
  if (isOlder(release.version, row.minimumDriver.version)) {
    comparer.figure('minimumDriver', null, row.minimumDriver.version, release.version, row.minimumDriver)
  }
  const names = namesUnder(row, release, label)
  const left = new Set(shown.profiles ?? [])
  for (const told of gpu.profiles ?? []) {
    const raw = row.profiles ? profileRowOf(row.profiles, told) : undefined
    const known = raw && shown.profiles!.find(({ name }) => name === (names[raw.name] ?? raw.name))
    if (row.profiles === null) comparer.unknownProfile(told)
    else if (raw && known) {
      left.delete(known)
      compareProfile(comparer, told, known, raw)
    } else if (raw?.since && raw.since.branch > release.branch) {
      comparer.figure('since', raw.name, raw.since.branch, release.branch, raw.since)
    } else comparer.profile(told.name, null, whole(told), UNGRADED)
  }
  if (gpu.profiles !== null) {
    for (const known of left) {
      // In a slot that nobody knows it may be one that this release does not know either.
      if (known.slot !== null) comparer.profile(known.name, known.name, null, comparer.graded(known.confidence))
    }
  }
  return { differences: comparer.differences, settles: comparer.settles }
}

/** The same under the make of the board that differs the least. */
export function comparedToMake(row: BoardRow<null>, gpu: GpuSnapshot, release: Release) {
  const tried = [undefined, ...labelsOf(row)].map(variant => ({ variant, ...comparedFigures(row, gpu, release, variant) }))
  return tried.reduce((best, each) => (each.differences.length < best.differences.length ? each : best))
}
