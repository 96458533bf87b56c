/** What a node is asked to be: the options of `simulate`, checked and written out in full. */
import { checkOptions, flag, optionalText, shown } from '../arguments.js'
import { series } from '../layout/suggest.js'
import type { Snapshot } from '../snapshot.js'
import { type BoardRow, labelsOf, namesUnder, underDriver } from './boards.js'
import { checkBoard } from './check-board.js'
import { checkSnapshot } from './check-snapshot.js'
import { brandOf, type NodePlan } from './compile-image.js'
import { checkDialects, type Dialects } from './dialects.js'
import { SimulatorError } from './errors.js'
import { MIG_EVENTS, type MigEvents } from './events.js'
import { checkFaults, type FaultOptions, type FaultRequest } from './fault-request.js'
import { fillUnknown, renameFilled, unknowns } from './fill.js'
import { identify } from './identity.js'
import { MAX_GPUS } from './image-layout.js'
import { checkLayout, type GpuInstanceRequest, type LayoutRequest, placeOn } from './instances.js'
import { findBoard } from './models.js'
import { type AllReadings, checkReadings, type GpuReadings, readingsOf, vbiosVersionOf } from './readings.js'
import { findRelease, isOlder, oldestRelease, releaseLike } from './releases.js'
import { planReplay, replayedGpus } from './replay.js'
import { type Capability, checkCapabilities, rightBits } from './rights.js'

/**
 * How a board numbers its GPU instances: `straight` counts from memory slice 0 on, `swapped` has the
 * ids of the two halves exchanged. Both kinds of board are in the field, whatever the driver.
 */
export type GiNumbering = 'straight' | 'swapped'

/**
 * Where a node's GPUs are: in the machine itself; passed through to a virtual machine, which cannot reset them; or
 * parts of GPUs that a virtual machine has from its host, which alone cuts them.
 */
export type Platform = 'bare-metal' | 'passthrough' | 'vgpu-guest'
const PLATFORMS: readonly Platform[] = ['bare-metal', 'passthrough', 'vgpu-guest']

/** One GPU of a node, or several alike. */
export interface GpuRequest {
  /** A model such as 'A100-SXM4-40GB', or as much of it as no other has; 'A100-SXM4-40GB*2' stands for two. */
  readonly model: string
  /** A make of the board that reports other names or sizes, e.g. 'ecc'; docs/simulator.md lists them. */
  readonly variant?: string
  /** A row of your own in place of the simulator's, which has this model; `board()` gives one to start from. */
  readonly board?: BoardRow<null>
  /** `straight` if left out. */
  readonly giNumbering?: GiNumbering
  /** What it shows of power, temperature, clocks and so on, where it differs from such a board at rest. */
  readonly readings?: GpuReadings
  /** Whether MIG is on from the start; it is if there are `instances`. */
  readonly mig?: boolean
  /** GPU instances it has from the start, put there in this order: names of profiles, or profiles with where they go. */
  readonly instances?: readonly (string | GpuInstanceRequest)[]
}

/** What {@link simulate} takes. */
export interface SimulateOptions {
  /**
   * The GPUs in the order of their indices: models, or models with what is special about a board. At most 16.
   * Either these or `from`.
   */
  readonly gpus?: readonly (string | GpuRequest)[]
  /**
   * A snapshot, as {@link Session.snapshot} answers it or `JSON.parse` gives it back, to make the node of: the same
   * boards, profiles as that driver reported them, layout, UUIDs, MIG mode and driver release. What a snapshot cannot tell comes
   * from the simulator's row of the board, or is derived, which `filled` then names. `gpus` and `driver` are in it.
   */
  readonly from?: Snapshot
  /**
   * The driver release the node plays: a branch such as '550' or a version such as '515.86.01'. '550' if left
   * out, or the first release that knows every board of the node.
   */
  readonly driver?: string
  /**
   * 'derived': figures of a board that nobody recorded are computed, by the formulas of docs/simulator.md.
   * Without it such a board is refused.
   */
  readonly fill?: 'derived'
  /** Where to make the node, kept by `close()`; a node already there is taken if an equal request made it. */
  readonly dir?: string
  /** false: callers do not have root's rights, and of MIG's only `capabilities`. `setPrivileged` changes it later. */
  readonly privileged?: boolean
  /** MIG capabilities that callers hold who are not root; none if left out. */
  readonly capabilities?: readonly Capability[]
  /** 'bare-metal' if left out. */
  readonly platform?: Platform
  /**
   * false: that another process has NVML initialised is no reason for an Ampere board to leave a change of its MIG
   * mode pending. True if left out, as is reported of monitoring agents; no record shows it.
   */
  readonly countProcesses?: boolean
  /** Ways in which drivers were seen to differ, for clients that must not grow fitted to one. */
  readonly dialects?: Dialects
  /** Who is told of MIG changes. 'all' if left out. */
  readonly migEvents?: MigEvents
  /** What goes wrong from the first call on, as `inject` of the node takes it. */
  readonly faults?: readonly FaultOptions[]
}

/** A request with nothing left out; node.json keeps it. */
export interface NodeRequest {
  readonly driver: string
  readonly platform: Platform
  readonly privileged: boolean
  readonly capabilities?: readonly Capability[]
  readonly countProcesses?: false
  readonly gpus: readonly NodeGpuRequest[]
  /** The snapshot that the rest was made of. */
  readonly from?: Snapshot
  readonly fill?: 'derived'
  readonly dialects?: Dialects
  readonly migEvents?: MigEvents
  readonly faults?: readonly FaultRequest[]
}

interface NodeGpuRequest extends LayoutRequest {
  readonly model: string
  /** Left out where the snapshot tells it. */
  readonly giNumbering?: GiNumbering
  readonly variant?: string
  readonly board?: BoardRow<null>
  readonly readings?: Partial<AllReadings>
}

function oneOf<T extends string>(what: string, value: unknown, choices: readonly T[], none = ''): T {
  if (value === undefined) return choices[0]!
  if (choices.includes(value as T)) return value as T
  const right = choices.length > 0 ? `${what} is ${series(choices.map(shown), 'or')}` : `${what}: ${none}`
  throw new RangeError(`${right}, not ${shown(value)}`)
}

const GPU_OPTIONS = ['model', 'giNumbering', 'variant', 'board', 'readings', 'mig', 'instances']

function expand(entry: unknown, index: number): NodeRequest['gpus'] {
  const request = (typeof entry === 'string' ? { model: entry } : entry) as GpuRequest
  checkOptions(`simulate: gpus[${index}]`, request, GPU_OPTIONS)
  if (typeof request.model !== 'string') {
    throw new TypeError(`simulate: gpus[${index}] is a model such as 'A100-SXM4-40GB', not ${shown(request.model)}`)
  }
  const [, name, times] = /^\s*(.*?)\s*(?:\*\s*(\d+))?\s*$/s.exec(request.model) as unknown as [
    string,
    string,
    string | undefined
  ]
  const count = Number(times ?? 1)
  if (count < 1 || count > MAX_GPUS)
    throw new RangeError(`simulate: gpus[${index}] asks for ${count} GPUs; a node has 1 to ${MAX_GPUS}`)
  const row = request.board === undefined ? findBoard(name) : checkBoard(`simulate: board of gpus[${index}]`, request.board, name)
  const variant = optionalText(`simulate: variant of gpus[${index}]`, request.variant)
  if (variant !== undefined) oneOf(`simulate: variant of gpus[${index}]`, variant, labelsOf(row), `${row.model} has no variants`)
  const giNumbering = oneOf(`simulate: giNumbering of gpus[${index}]`, request.giNumbering, ['straight', 'swapped'])
  const readings = checkReadings(`simulate: readings of gpus[${index}]`, request.readings === undefined ? {} : request.readings)
  const gpu = {
    model: row.model,
    giNumbering,
    ...(variant !== undefined && { variant }),
    ...(request.board !== undefined && { board: row }),
    ...(Object.keys(readings).length > 0 && { readings }),
    ...checkLayout(`simulate: gpus[${index}]`, request.mig, request.instances)
  }
  return Array.from({ length: count }, () => gpu)
}

const rowOf = ({ model, board }: NodeGpuRequest): BoardRow<null> => board ?? findBoard(model)

/** The driver that a request which names none gets. */
function usualDriver(gpus: readonly NodeGpuRequest[]): string {
  const needed = gpus.map(gpu => rowOf(gpu).minimumDriver.version)
  const newest = needed.reduce((a, b) => (isOlder(a, b) ? b : a))
  return isOlder(findRelease('550').version, newest) ? oldestRelease(newest) : '550'
}

/** Options that a snapshot has the answer to, and those that go with models and with a snapshot. */
const TOLD = ['gpus', 'driver'] as const
const ALWAYS = [
  'dir',
  'privileged',
  'capabilities',
  'platform',
  'countProcesses',
  'fill',
  'dialects',
  'migEvents',
  'faults'
] as const

/** Checks the options of `simulate`. Whatever is wrong with them is a sentence, and nothing was made yet. */
export function readRequest(options: SimulateOptions): NodeRequest {
  checkOptions('simulate', options, [...TOLD, ...ALWAYS, 'from'])
  const request = options.from === undefined ? readModels(options) : readReplay(options, options.from)
  const place = { release: releaseLike(request.driver), gpus: request.gpus.length }
  const faults = checkFaults('simulate: faults', options.faults, place)
  return faults.length > 0 ? { ...request, faults } : request
}

/** What every request says. */
function readRest(options: SimulateOptions) {
  const { privileged = true, countProcesses = true, fill, dialects = {} } = options
  if (fill !== undefined) oneOf('simulate: fill', fill, ['derived'])
  const spoken = checkDialects('simulate: dialects', dialects)
  const capabilities = checkCapabilities('simulate', options.capabilities, flag('simulate: privileged', privileged))
  const migEvents = oneOf('simulate: migEvents', options.migEvents, MIG_EVENTS)
  return {
    platform: oneOf('simulate: platform', options.platform, PLATFORMS),
    privileged,
    ...(capabilities.length > 0 && { capabilities }),
    ...(!flag('simulate: countProcesses', countProcesses) && { countProcesses: false as const }),
    ...(fill !== undefined && { fill }),
    ...(Object.keys(spoken).length > 0 && { dialects: spoken }),
    ...(migEvents !== 'all' && { migEvents })
  }
}

function readReplay(options: SimulateOptions, from: unknown): NodeRequest {
  const told = TOLD.find(name => options[name] !== undefined)
  if (told !== undefined) {
    throw new TypeError(`simulate: ${told} is in the snapshot; beside from there can be ${series(ALWAYS, 'and')}`)
  }
  const snapshot = checkSnapshot('simulate: from', from)
  return { driver: snapshot.driver.version!, gpus: replayedGpus(snapshot), from: snapshot, ...readRest(options) }
}

function readModels(options: SimulateOptions): NodeRequest {
  const { gpus, driver } = options
  if (!Array.isArray(gpus)) throw new TypeError(`simulate: gpus is a list such as ['A100-SXM4-40GB'], not ${shown(gpus)}`)
  if (driver !== undefined && typeof driver !== 'string')
    throw new TypeError(`simulate: driver is a string such as '550', not ${shown(driver)}`)
  const rest = readRest(options)
  const expanded = gpus.flatMap(expand)
  if (expanded.length < 1 || expanded.length > MAX_GPUS) {
    throw new RangeError(`simulate: a node has 1 to ${MAX_GPUS} GPUs, not ${expanded.length}`)
  }
  return {
    driver: findRelease(driver ?? usualDriver(expanded)).version,
    gpus: expanded,
    ...rest
  }
}

/**
 * The boards, identities and driver release behind a request. RangeError where the driver does not know a
 * board, {@link SimulatorError} `UNKNOWN_FIGURES` for figures nobody recorded, unless they may be derived.
 */
export function planNode(request: NodeRequest): NodePlan {
  const { driver, platform, privileged, capabilities, countProcesses = true } = request
  const { dialects = {}, migEvents = 'all', from, fill } = request
  return {
    platform,
    rights: rightBits(privileged, capabilities),
    countsProcesses: countProcesses,
    dialects,
    migEvents,
    ...(from ? planReplay(from, driver, dialects, fill) : planModels(request))
  }
}

function planModels({ driver, gpus, fill, dialects = {} }: NodeRequest): Pick<NodePlan, 'release' | 'legacyMigUuids' | 'gpus'> {
  const release = findRelease(driver)
  return {
    release,
    legacyMigUuids: release.branch < 470,
    gpus: gpus.map((gpu, index) => {
      const { board, filled } = fillUnknown(rowOf(gpu))
      if (filled.length > 0 && fill === undefined) {
        throw new SimulatorError(
          'UNKNOWN_FIGURES',
          `of ${gpu.model} nobody recorded ${unknowns(board, filled)}. { fill: 'derived' } has them computed, ` +
            `or give a row of your own: { model: '${gpu.model}', board: … }`
        )
      }
      const shown = underDriver(board, release, gpu.variant, dialects)
      return {
        board: shown,
        filled: renameFilled(filled, namesUnder(board, release, gpu.variant)),
        identity: identify(gpu.model, index),
        giNumbering: gpu.giNumbering ?? 'straight',
        readings: readingsOf(board, gpu.readings),
        brand: brandOf(shown.identity),
        vbiosVersion: vbiosVersionOf(board),
        layout: placeOn(shown, release.computeInstanceProfileSlots, index, gpu)
      }
    })
  }
}

const dialectsOf = ({ dialects = {} }: NodeRequest): string => Object.keys(dialects).sort().join(', ') || 'none'

/** What two requests differ in, in words; empty if they are equal. */
export function differences(asked: NodeRequest, made: NodeRequest): string[] {
  const list = (gpus: NodeRequest['gpus']): string =>
    gpus
      .map(({ model, giNumbering, variant }) => [model, variant, giNumbering === 'swapped' ? giNumbering : undefined])
      .map(([model, ...special]) => ({ model, special: special.filter(each => each !== undefined) }))
      .map(({ model, special }) => (special.length > 0 ? `${model} (${special.join(', ')})` : model))
      .join(', ')
  const rows = (gpus: NodeRequest['gpus']): string => JSON.stringify(gpus.map(({ board }) => board ?? null))
  const compared: [what: string, asked: unknown, made: unknown][] = [
    ['GPUs', list(asked.gpus), list(made.gpus)],
    ['driver', asked.driver, made.driver],
    ['platform', asked.platform, made.platform],
    ['privileged', asked.privileged, made.privileged],
    ['capabilities', asked.capabilities?.join(', ') ?? 'none', made.capabilities?.join(', ') ?? 'none'],
    ['countProcesses', asked.countProcesses ?? true, made.countProcesses ?? true],
    ['fill', asked.fill ?? 'none', made.fill ?? 'none'],
    ['dialects', dialectsOf(asked), dialectsOf(made)],
    ['migEvents', asked.migEvents ?? 'all', made.migEvents ?? 'all']
  ]
  if (JSON.stringify(asked.from) !== JSON.stringify(made.from)) {
    if (asked.from && made.from) return ['made of another snapshot']
    return [made.from ? 'made of a snapshot, not of models' : 'made of models, not of a snapshot']
  }
  const readings = (gpus: NodeRequest['gpus']): string => JSON.stringify(gpus.map(gpu => gpu.readings ?? null))
  if (readings(asked.gpus) !== readings(made.gpus)) compared.push(['readings', 'these', 'of its own'])
  const layouts = (gpus: NodeRequest['gpus']): string => JSON.stringify(gpus.map(({ mig, instances }) => [mig, instances]))
  if (layouts(asked.gpus) !== layouts(made.gpus)) compared.push(['instances from the start', 'these', 'of its own'])
  const faults = (request: NodeRequest): string => JSON.stringify(request.faults ?? [])
  if (faults(asked) !== faults(made)) compared.push(['faults', 'these', 'of its own'])
  const found = compared.filter(([, a, b]) => a !== b).map(([what, a, b]) => `${what} ${b}, not ${a}`)
  return rows(asked.gpus) === rows(made.gpus) ? found : [...found, 'board rows of its own, not these']
}
