/** The instances that a node's GPUs have from the start, and how they are put there. */
import { checkOptions, flag, shown, wholeNumber } from '../arguments.js'
import { closest, series } from '../layout/suggest.js'
import type { BoardRow } from './boards.js'
import { Command, NONE, type NodeControl } from './control.js'
import { SimulatorError } from './errors.js'

/** A compute instance that a GPU instance has from the start. */
export interface ComputeInstanceRequest {
  /** '1c.3g.20gb', or the GPU instance's own name for the full size. */
  readonly profile: string
  /** First compute slot; where the driver would put it if left out. */
  readonly start?: number
}

/** A GPU instance that a GPU has from the start. */
export interface GpuInstanceRequest {
  /** '3g.20gb'. */
  readonly profile: string
  /** First memory slice; where the driver would put it if left out. */
  readonly start?: number
  /** One of the full size if left out. */
  readonly computeInstances?: readonly (string | ComputeInstanceRequest)[]
}

/** What is asked for of a GPU, written out; nothing in it for one that starts with MIG off. */
export interface LayoutRequest {
  readonly mig?: true
  readonly instances?: readonly NodeInstanceRequest[]
}
interface NodeInstanceRequest {
  readonly profile: string
  readonly start?: number
  readonly computeInstances?: readonly ComputeInstanceRequest[]
}

/** MIG mode and instances of a GPU by the numbers that the node's library knows them by. */
export interface PlacedLayout {
  readonly current: boolean
  readonly pending: boolean
  readonly instances: readonly PlacedGpuInstance[]
}
export interface PlacedGpuInstance {
  readonly profile: number
  readonly start?: number
  readonly computeInstances: readonly PlacedComputeInstance[]
}
export interface PlacedComputeInstance {
  readonly profile: number
  readonly start?: number
  readonly id?: number
}

/** A profile by name, or with where to put it, written out. */
function checkEntry(what: string, given: unknown, known: readonly string[]): ComputeInstanceRequest {
  const entry = (typeof given === 'string' ? { profile: given } : given) as ComputeInstanceRequest
  checkOptions(what, entry, known)
  const { profile, start } = entry
  if (typeof profile !== 'string') throw new TypeError(`${what}: profile is a name such as '3g.20gb', not ${shown(profile)}`)
  return { profile: profile.replace(/^MIG /, ''), ...(start !== undefined && { start: wholeNumber(`${what}: start`, start) }) }
}

function checkList(what: string, given: unknown): readonly unknown[] {
  if (Array.isArray(given)) return given
  throw new TypeError(`${what} is a list such as ['3g.20gb'], not ${shown(given)}`)
}

/** Checks `mig` and `instances` of a GPU, without knowing its board yet. */
export function checkLayout(what: string, mig: unknown, instances: unknown): LayoutRequest {
  const list = instances === undefined ? [] : checkList(`${what}.instances`, instances)
  const on = mig === undefined ? list.length > 0 : flag(`${what}.mig`, mig)
  if (!on && list.length > 0) throw new RangeError(`${what} has instances, so mig cannot be false`)
  const checked = list.map((given, i) => {
    const where = `${what}.instances[${i}]`
    const entry = checkEntry(where, given, ['profile', 'start', 'computeInstances'])
    const { computeInstances } = given as GpuInstanceRequest
    if (computeInstances === undefined) return entry
    const parts = checkList(`${where}.computeInstances`, computeInstances)
    return {
      ...entry,
      computeInstances: parts.map((part, j) => checkEntry(`${where}.computeInstances[${j}]`, part, ['profile', 'start']))
    }
  })
  return { ...(on && { mig: true as const }), ...(checked.length > 0 && { instances: checked }) }
}

function find<T extends { readonly name: string }>(what: string, name: string, profiles: readonly T[], of: string): T {
  const found = profiles.find(profile => profile.name === name)
  if (found) return found
  const names = profiles.map(profile => profile.name)
  const meant = closest(name, names)
  throw new RangeError(
    `${what}: ${of} has no profile '${name}'; ${meant.length > 0 ? `did you mean ${series(meant, 'or')}?` : `it has ${series(names)}`}`
  )
}

const startOf = ({ start }: { readonly start?: number }) => (start === undefined ? {} : { start })

/** The numbers behind a request's names, on the board as the node's driver shows it; undefined for MIG off. */
export function placeOn(
  board: BoardRow,
  computeSlots: number,
  index: number,
  { mig, instances = [] }: LayoutRequest
): PlacedLayout | undefined {
  if (!mig) return undefined
  const placed = instances.map((instance, i) => {
    const what = `simulate: instance ${i} of GPU ${index}`
    const profile = find(what, instance.profile, board.profiles, board.model)
    const offers = profile.computeInstances.filter(({ id }) => id < computeSlots)
    const whole = offers.find(({ slices }) => slices === profile.computeSlices)
    const parts = (instance.computeInstances ?? [{ profile: profile.name }]).map(part => {
      const row = part.profile === profile.name && whole ? whole : find(what, part.profile, offers, profile.name)
      return { profile: row.id, ...startOf(part) }
    })
    return { profile: profile.id, ...startOf(instance), computeInstances: parts }
  })
  return { current: true, pending: true, instances: placed }
}

/** Gives a GPU of a node that nobody uses yet its mode and instances. */
export function putLayout(control: NodeControl, gpu: number, { current, pending, instances }: PlacedLayout): void {
  try {
    control.command(Command.setMode, gpu, Number(current), Number(pending))
    for (const { profile, start = NONE, computeInstances } of instances) {
      const id = Number(control.command(Command.placeGpuInstance, gpu, profile, start))
      for (const part of computeInstances) {
        control.command(Command.placeComputeInstance, gpu, id, part.profile, part.start ?? NONE, part.id ?? NONE)
      }
    }
  } catch (error) {
    if (!(error instanceof SimulatorError)) throw error
    throw new SimulatorError(error.code, `simulate: ${error.message} Nothing was made.`, error.status, { cause: error })
  }
}
