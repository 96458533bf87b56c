/**
 * The board that a snapshot shows: what the snapshot tells stands as it is, what no snapshot tells comes from the
 * row of the board, and what neither knows is derived and named.
 */
import type { ComputeInstanceProfileSnapshot, GpuInstanceProfileSnapshot, GpuSnapshot, Snapshot } from '../snapshot.js'
import {
  type BoardRow,
  type ComputeProfileRow,
  type Exclusion,
  exclusionsUnder,
  type GpuProfileRow,
  namesUnder,
  renamedRows,
  shownBy
} from './boards.js'
import { comparedToMake } from './compare-figures.js'
import type { Dialects } from './dialects.js'
import { SimulatorError } from './errors.js'
import { type FilledFigure, fillUnknown, renameFilled, unknowns } from './fill.js'
import { isOlder, type Release } from './releases.js'
import { profileRowOf, rowOf } from './row-of.js'
import { idleMemoryOf } from './snapshot-figures.js'

const REPORTED = { confidence: 'recorded', source: 'a snapshot of this board' } as const

const NOTHING = { mib: 0, confidence: 'derived', source: 'a board without a row' } as const

/** What a board is known by besides its snapshot. */
interface Known {
  readonly row: BoardRow<null> | undefined
  readonly release: Release
}

const slicesOf = (profiles: readonly GpuInstanceProfileSnapshot[]): number => Math.max(1, ...profiles.map(({ slices }) => slices))

/** Where the last placement ends. */
const endOf = (profiles: readonly GpuInstanceProfileSnapshot[]): number =>
  Math.max(0, ...profiles.flatMap(({ placements }) => placements ?? []).map(({ start, size }) => start + size))

/** The board's row with everything that the GPU says of itself in place of the row's figures. */
function identityOf(gpu: GpuSnapshot, { row }: Known): BoardRow<null>['identity'] {
  const profiles = gpu.profiles ?? []
  const known = row?.identity
  return {
    name: gpu.name ?? known?.name ?? null,
    architecture: gpu.architecture ?? known?.architecture ?? 'Ampere',
    computeCapability: gpu.computeCapability ?? known?.computeCapability ?? '0.0',
    pciDeviceId: gpu.pciDeviceId ?? known?.pciDeviceId ?? null,
    pciSubSystemId: gpu.pciSubSystemId ?? known?.pciSubSystemId ?? null,
    memoryTotalMiB: gpu.memory?.totalMiB ?? known?.memoryTotalMiB ?? (gpu.migCapable ? null : 0),
    memoryTotalSource: REPORTED.source,
    bar1TotalMiB: gpu.bar1?.totalMiB ?? known?.bar1TotalMiB ?? null,
    // No NVML function tells it, and none plays it: it only stands in formulas.
    multiprocessorCount: known ? known.multiprocessorCount : Math.max(0, ...profiles.map(profile => profile.multiprocessors)),
    memorySlices: endOf(profiles) || (known?.memorySlices ?? null),
    computeSlices: known?.computeSlices ?? slicesOf(profiles),
    maxMigDevices: gpu.maxMigDevices || (known?.maxMigDevices ?? slicesOf(profiles))
  }
}

const enginesOf = ({ engines }: ComputeInstanceProfileSnapshot | GpuInstanceProfileSnapshot) => ({
  copyEngines: engines.copy,
  decoders: engines.decoder,
  encoders: engines.encoder,
  jpegs: engines.jpeg,
  ofas: engines.opticalFlow
})

const withoutPrefix = (name: string): string => name.replace(/^MIG /, '')

function computeRow(
  told: ComputeInstanceProfileSnapshot,
  rows: readonly ComputeProfileRow<null>[],
  owner: number
): ComputeProfileRow<null> {
  const row = rows.find(({ id, slot = id }) => slot === told.slot)
  const size = told.placements?.[0]?.size ?? row?.size ?? told.slices
  const everywhere = Array.from({ length: Math.max(0, owner - size + 1) }, (_, start) => start)
  return {
    name: told.reportedName === null ? (row?.name ?? told.name) : withoutPrefix(told.reportedName),
    id: told.id,
    slot: told.slot,
    slices: told.slices,
    instances: told.maxInstances,
    multiprocessors: told.multiprocessors,
    starts: told.placements?.map(({ start }) => start) ?? row?.starts ?? everywhere,
    size,
    engines: enginesOf(told),
    confidence: REPORTED.confidence,
    placementConfidence: told.placements ? REPORTED.confidence : 'derived'
  }
}

/** A profile as the driver reported it. What it does not report is the row's, if there is one, else null. */
function profileRow(gpu: GpuSnapshot, told: GpuInstanceProfileSnapshot, { row: board, release }: Known): GpuProfileRow<null> {
  const row = board?.profiles ? profileRowOf(board.profiles, told) : undefined
  const called = row && board ? (namesUnder(board, release)[row.name] ?? row.name) : told.name
  const name = told.reportedName === null ? called : withoutPrefix(told.reportedName)
  const rows = row?.computeInstances ? renamedRows(row.computeInstances, row.name, name) : null
  const offered = told.computeInstanceProfiles
  const idle = idleMemoryOf(gpu, told.id)
  // Boards are known whose count is misreported, though as many can be created as the row has.
  const misreported = board?.variants.some(({ reportedInstances }) => reportedInstances?.[row?.name ?? ''] === told.maxInstances)
  return {
    name,
    id: told.id,
    slot: told.slot,
    computeSlices: told.slices,
    memorySlices: told.placements?.[0]?.size ?? row?.memorySlices ?? null,
    starts: told.placements?.map(({ start }) => start) ?? row?.starts ?? null,
    instances: misreported ? row!.instances : told.maxInstances,
    reportedInstances: told.maxInstances,
    multiprocessors: told.multiprocessors,
    engines: enginesOf(told),
    p2p: told.p2p ?? row?.p2p ?? false,
    ...(told.capabilities !== null && { capabilities: told.capabilities }),
    memoryMiB: told.memoryMiB,
    confidence: REPORTED.confidence,
    placementConfidence: told.placements ? REPORTED.confidence : (row?.placementConfidence ?? null),
    idleMemory: idle === undefined ? (row?.idleMemory ?? NOTHING) : { mib: idle, ...REPORTED },
    computeInstances: offered ? offered.map(each => computeRow(each, rows ?? [], told.slices)) : rows
  }
}

/** The row's exclusions, by the names that the profiles have here, but for those that the layout itself disproves. */
function exclusionsOf(gpu: GpuSnapshot, profiles: readonly GpuProfileRow<null>[], { row, release }: Known): Exclusion[] {
  if (!row?.profiles) return []
  const called = (name: string): string => {
    const meant = row.profiles!.find(profile => profile.name === name)
    const told = gpu.profiles!.findIndex(each => profileRowOf(row.profiles!, each) === meant)
    return profiles[told]?.name ?? name
  }
  const live = new Map<string, number>()
  for (const { profileId } of gpu.gpuInstances ?? []) {
    const name = profiles.find(({ id }) => id === profileId)?.name
    if (name !== undefined) live.set(name, (live.get(name) ?? 0) + 1)
  }
  const disproved = ({ profiles: some, beside = [] }: Exclusion): boolean =>
    some.some(a => live.has(a) && [...some, ...beside].some(b => b !== a && live.has(b)))
  return exclusionsUnder(row, release, called).filter(rule => !disproved(rule))
}

/** The board of a GPU whose profiles the snapshot has. */
function reportedBoard(gpu: GpuSnapshot, known: Known): { board: BoardRow; filled: readonly FilledFigure[] } {
  const { row } = known
  const profiles = gpu.profiles!.map(told => profileRow(gpu, told, known))
  return fillUnknown({
    format: 'nvml-mig-board/1',
    model: row?.model ?? gpu.name ?? 'unknown',
    ...(row?.sameAs !== undefined && { sameAs: row.sameAs }),
    ...(row?.sibling !== undefined && { sibling: row.sibling }),
    identity: identityOf(gpu, known),
    minimumDriver: { version: known.release.version, ...REPORTED },
    modeNeedsReset: row?.modeNeedsReset ?? gpu.architecture === 'Ampere',
    alignedComputeSlots: row?.alignedComputeSlots ?? false,
    idleMemory: row?.idleMemory ?? NOTHING,
    variants: [],
    seenElsewhere: [],
    excludes: exclusionsOf(gpu, profiles, known),
    profiles,
    sources: [REPORTED.source]
  })
}

/** The board of a GPU whose profiles nobody could read: the row's, as the release shows them. */
function rowsBoard(
  path: string,
  gpu: GpuSnapshot,
  { row, release }: Known,
  dialects: Dialects,
  fill: 'derived' | undefined
): { board: BoardRow; filled: readonly FilledFigure[] } {
  const why = gpu.unavailable.profiles?.code ?? 'unread'
  if (!row) {
    throw new RangeError(
      `${path}.profiles is null (${why}), and there is no row of ${gpu.name ?? 'that board'} to take them from: take the snapshot ` +
        'as root and, where the driver is older than R550, with MIG on'
    )
  }
  const { board, filled } = fillUnknown({ ...row, identity: identityOf(gpu, { row, release }) })
  if (filled.length > 0 && fill === undefined) {
    throw new SimulatorError(
      'UNKNOWN_FIGURES',
      `${path}.profiles is null (${why}), and of ${row.model} nobody recorded ${unknowns(board, filled)}. ` +
        "{ fill: 'derived' } has them computed; or take the snapshot as root and, where the driver is older than R550, with MIG on"
    )
  }
  const shown = shownBy(board, release, undefined, dialects)
  return {
    board: { ...shown, identity: { ...board.identity } },
    filled: renameFilled(filled, namesUnder(board, release))
  }
}

/** The board that a snapshot shows, complete, and what of it had to be computed. */
export function boardOf(
  path: string,
  gpu: GpuSnapshot,
  release: Release,
  dialects: Dialects,
  fill: 'derived' | undefined
): { board: BoardRow; filled: readonly FilledFigure[] } {
  const known = { row: rowOf(gpu), release }
  return !gpu.profiles ? rowsBoard(path, gpu, known, dialects, fill) : reportedBoard(gpu, known)
}

/**
 * The board under a release other than the one that its snapshot was `taken` on: what drivers show of it comes from
 * its row, in the make that it is; what is the board's own stays. RangeError where there is no row, or the release does
 * not know it.
 */
export function boardUnder(
  gpu: GpuSnapshot,
  taken: Release,
  release: Release,
  dialects: Dialects,
  fill: 'derived' | undefined
): { board: BoardRow; filled: readonly FilledFigure[] } {
  const row = rowOf(gpu)
  if (!row) {
    throw new RangeError(
      `GPU ${gpu.index} is a board of which there is no row (${gpu.name ?? 'without a name'}), and its snapshot tells what driver ` +
        `${taken.version} shows of it, not what ${release.version} does`
    )
  }
  const { version } = row.minimumDriver
  if (isOlder(release.version, version)) {
    throw new RangeError(`GPU ${gpu.index}: ${row.model} needs driver ${version} or later: ${release.version} does not know it`)
  }
  const own = identityOf({ ...gpu, profiles: null }, { row, release })
  const { name, memoryTotalMiB, maxMigDevices } = row.identity
  const { board, filled } = fillUnknown({
    ...row,
    identity: {
      ...own,
      name: name ?? own.name,
      memoryTotalMiB: memoryTotalMiB ?? own.memoryTotalMiB,
      maxMigDevices
    },
    // What has no MIG where it is, as in a virtual machine, has none under another driver.
    ...(!gpu.migCapable && { profiles: [], excludes: [] })
  })
  if (filled.length > 0 && fill === undefined) {
    throw new SimulatorError(
      'UNKNOWN_FIGURES',
      `GPU ${gpu.index}: of ${row.model} nobody recorded ${unknowns(board, filled)}. A node made with { fill: 'derived' } has them computed`
    )
  }
  const { variant } = comparedToMake(row, gpu, taken)
  return {
    board: shownBy(board, release, variant, dialects),
    filled: renameFilled(filled, namesUnder(board, release, variant))
  }
}

/** What `simulate` calls a GPU: the model of its row, else its own name. */
export const modelOf = (gpu: GpuSnapshot): string => rowOf(gpu)?.model ?? gpu.name ?? 'unknown'

/** Whether profiles go without the 'MIG ' that drivers put before them. */
export function namesArePlain({ gpus }: Snapshot): boolean {
  const profiles = gpus.flatMap(gpu => gpu.profiles ?? []).flatMap(({ reportedName }) => reportedName ?? [])
  if (profiles.length > 0) return !profiles.every(name => name.startsWith('MIG '))
  const names = gpus.flatMap(gpu => gpu.migDevices ?? []).flatMap(({ name }) => name ?? [])
  return names.length > 0 && !names.every(name => / MIG \S+$/.test(name))
}
