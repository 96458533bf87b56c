/** The profiles of one GPU or GPU instance: looked up by what callers write, read again no more often than needed. */
import { shown, wholeNumber } from './arguments.js'
import type { Connection } from './connection.js'
import { NvmlError } from './errors.js'
import { LayoutError } from './layout/errors.js'
import { formatProfileName, parseProfileName } from './layout/profile-name.js'
import { closest, series } from './layout/suggest.js'
import {
  bare,
  type ComputeInstanceProfile,
  describeComputeInstanceProfile,
  describeGpuInstanceProfile,
  type GpuInstanceProfile,
  inOrder,
  type Placements,
  type Profile
} from './profiles.js'
import {
  computeInstanceProfileBytes,
  decodeComputeInstanceProfile,
  decodeGpuInstanceProfile,
  decodePlacementList,
  gpuInstanceProfileBytes,
  NONE,
  placementListBytes
} from './records.js'

const placementList = { bytes: placementListBytes, decode: decodePlacementList }
const gpuInstanceProfile = { bytes: gpuInstanceProfileBytes, decode: decodeGpuInstanceProfile }
const computeInstanceProfile = { bytes: computeInstanceProfileBytes, decode: decodeComputeInstanceProfile }

const MODE_HINT =
  'The GPU has no MIG, or its MIG mode is off: drivers before R550 list profiles only while it is on. See gpu.migCapable and gpu.migMode().'

/** Where no profile is listed, NVML answered NOT_SUPPORTED for each. */
function noProfiles(call: string, owner: string, gpu: number, hint?: string): NvmlError {
  return new NvmlError({ status: 3, call, doing: `read the profiles of ${owner}`, gpu, hint })
}

/** One spelling for all names of the same profile; a name that follows no grammar stands for itself. */
function canonical(name: string): string {
  try {
    return formatProfileName(parseProfileName(name))
  } catch {
    return bare(name)
  }
}

/**
 * The profile that a caller means. `owner` is what has the profiles; `spellings` gives all names that
 * a profile answers to.
 */
function resolve<P extends Profile>(
  wanted: unknown,
  profiles: readonly P[],
  owner: string,
  spellings: (profile: P) => string[]
): P {
  const names = profiles.map(profile => profile.name)
  if (typeof wanted === 'number') {
    const id = wholeNumber('the id of a profile', wanted)
    const found = profiles.find(profile => profile.id === id)
    if (found) return found
    const ids = series(profiles.map(profile => `${profile.id} (${profile.name})`))
    throw new LayoutError('UNKNOWN_PROFILE', `${owner} has no profile with the id ${id}; it has ${ids}`)
  }
  if (typeof wanted !== 'string') {
    throw new TypeError(`a profile is a name like '${names[0] ?? '3g.20gb'}' or the driver's number for it, not ${shown(wanted)}`)
  }
  const name = canonical(wanted)
  const found = profiles.find(profile => spellings(profile).some(spelling => canonical(spelling) === name))
  if (found) return found
  const numbered = profiles.find(({ id }) => String(id) === name)
  const suggestions = numbered ? [numbered.name] : closest(name, names)
  const number = numbered ? `, whose id is the number ${numbered.id}` : ''
  const meant = suggestions.length ? `; did you mean ${series(suggestions, 'or')}${number}?` : '.'
  throw new LayoutError(
    'UNKNOWN_PROFILE',
    `${owner} has no profile ${shown(wanted)}${meant} It has ${series(names)}.`,
    suggestions
  )
}

/** The placement of `profile` at `start`, as arguments for NVML; without a start the driver chooses. */
function place(profile: Profile, start: number | undefined, owner: string, gpu: number): readonly [start: number, size: number] {
  if (start === undefined) return [NONE, 0]
  const unread = profile.unavailable?.placements
  // A driver that cannot list placements cannot create at one either; the binding says that best.
  if (unread?.code === 'FUNCTION_NOT_FOUND') return [start, profile.slices]
  if (unread) throw new NvmlError({ ...unread, doing: `read where a ${profile.name} may start on ${owner}`, gpu })
  const placements = profile.placements ?? []
  const found = placements.find(placement => placement.start === start)
  if (found) return [start, found.size]
  const starts = series(placements.map(placement => placement.start))
  throw new RangeError(`a ${profile.name} cannot start at ${start} on ${owner}; it can start at ${starts}`)
}

/** The profiles of one GPU. What cannot change while the GPU is there is read once. */
export class GpuProfiles {
  readonly #connection: Connection
  readonly #gpu: number
  readonly #memoryMiB: number | null
  readonly #migCapable: boolean
  #known: Promise<GpuInstanceProfile[]> | undefined

  constructor(connection: Connection, gpu: number, memoryMiB: number | null, migCapable: boolean) {
    this.#connection = connection
    this.#gpu = gpu
    this.#memoryMiB = memoryMiB
    this.#migCapable = migCapable
  }

  #noProfiles(): NvmlError {
    return noProfiles('nvmlDeviceGetGpuInstanceProfileInfo', `GPU ${this.#gpu}`, this.#gpu, MODE_HINT)
  }

  async read(): Promise<GpuInstanceProfile[]> {
    const records = await this.#connection.list(
      { operation: 'gpuInstanceProfiles', args: [this.#gpu], doing: `read the profiles of GPU ${this.#gpu}`, gpu: this.#gpu },
      gpuInstanceProfile
    )
    if (records.length === 0 && this.#migCapable) throw this.#noProfiles()
    // Where the size of the GPU is not known, its largest profile is the nearest figure.
    const memoryMiB = this.#memoryMiB ?? Math.max(...records.map(record => record.memorySizeMiB))
    return inOrder(records.map(record => describeGpuInstanceProfile(record, memoryMiB)))
  }

  /** The profiles as first read: names, ids and sizes hold, `remaining` may not. */
  async known(): Promise<readonly GpuInstanceProfile[]> {
    this.#known ??= this.read()
    let profiles: readonly GpuInstanceProfile[] = []
    try {
      profiles = await this.#known
    } finally {
      // What could not be read now may be readable later: old drivers list none while MIG is off.
      if (profiles.length === 0) this.#known = undefined
    }
    return profiles
  }

  /** {@link known}, or none if NVML would not tell. */
  async knownIfReadable(): Promise<readonly GpuInstanceProfile[]> {
    try {
      return await this.known()
    } catch (error) {
      if (error instanceof NvmlError) return []
      throw error
    }
  }

  async find(wanted: unknown): Promise<GpuInstanceProfile> {
    const profiles = await this.known()
    if (profiles.length === 0) throw this.#noProfiles()
    if (typeof wanted === 'string') refuseComputeProfile(wanted)
    return resolve(wanted, profiles, `GPU ${this.#gpu}`, profile => [profile.name])
  }

  /** The arguments that say where a profile shall be created. */
  async place(profile: GpuInstanceProfile, start: number | undefined): Promise<readonly [start: number, size: number]> {
    let read = profile
    if (start !== undefined && profile.placements === null) {
      // It may have been unreadable only then: before a capability was granted, or MIG turned on.
      this.#known = undefined
      read = (await this.known()).find(each => each.id === profile.id) ?? profile
    }
    return place(read, start, `GPU ${this.#gpu}`, this.#gpu)
  }

  async placements(wanted: unknown): Promise<Placements> {
    const { id, name } = await this.find(wanted)
    const doing = `read the placements of ${name} on GPU ${this.#gpu}`
    const { possible, free } = await this.#connection.one(
      { operation: 'gpuInstancePlacements', args: [this.#gpu, id], doing, gpu: this.#gpu },
      placementList
    )
    return { possible, free }
  }
}

function refuseComputeProfile(wanted: string): void {
  const name = canonical(wanted)
  const [, whole] = /^\d+c\.(.+)$/.exec(name) ?? []
  if (whole === undefined) return
  throw new LayoutError(
    'UNKNOWN_PROFILE',
    `'${wanted}' is part of a GPU instance: create a GPU instance of ${whole}, and in it createComputeInstance('${name}').`,
    [whole]
  )
}

/** What is needed to ask for one GPU instance: where it is and how it was last seen. */
export interface GpuInstanceSite {
  gpu: number
  /** GPU-instance id, profile id, start, size. */
  seen: readonly [id: number, profileId: number, start: number, size: number]
  /** Name of its profile. */
  profile: string
}

/** The profiles of compute instances in one GPU instance. What cannot change while it is there is read once. */
export class ComputeProfiles {
  readonly #connection: Connection
  readonly #site: GpuInstanceSite
  readonly #owner: string
  #known: ComputeInstanceProfile[] | undefined

  constructor(connection: Connection, site: GpuInstanceSite) {
    this.#connection = connection
    this.#site = site
    this.#owner = `GPU instance ${site.seen[0]} on GPU ${site.gpu}`
  }

  async read(): Promise<ComputeInstanceProfile[]> {
    const { gpu, seen, profile } = this.#site
    const doing = `read the profiles of ${this.#owner}`
    const records = await this.#connection.list(
      { operation: 'computeInstanceProfiles', args: [gpu, ...seen], doing, gpu },
      computeInstanceProfile
    )
    this.#known = inOrder(records.map(record => describeComputeInstanceProfile(record, profile)))
    return this.#known
  }

  /** The profiles as last read: names, ids and sizes hold, `remaining` may not. */
  async known(): Promise<readonly ComputeInstanceProfile[]> {
    return this.#known ?? (await this.read())
  }

  async #listed(): Promise<readonly ComputeInstanceProfile[]> {
    const profiles = await this.known()
    if (profiles.length > 0) return profiles
    throw noProfiles('nvmlGpuInstanceGetComputeInstanceProfileInfo', this.#owner, this.#site.gpu)
  }

  /** Drivers leave the attributes of the GPU instance out of these names; people may write them. */
  async find(wanted: unknown): Promise<ComputeInstanceProfile> {
    const attributes = this.#site.profile.replace(/^[^+-]*/, '')
    return resolve(wanted, await this.#listed(), this.#owner, ({ name }) => [name, name + attributes])
  }

  /**
   * The profiles to try for what a caller names, best first; for nothing, those that fill the GPU
   * instance. Some boards list two of one name and size and create only one of them.
   */
  async candidates(wanted: unknown): Promise<ComputeInstanceProfile[]> {
    const profiles = await this.#listed()
    if (wanted === undefined) {
      const slices = Math.max(...profiles.map(profile => profile.slices))
      return profiles.filter(profile => profile.slices === slices)
    }
    const found = await this.find(wanted)
    return typeof wanted === 'number' ? [found] : profiles.filter(profile => profile.name === found.name)
  }

  place(profile: ComputeInstanceProfile, start: number | undefined): readonly [start: number, size: number] {
    return place(profile, start, this.#owner, this.#site.gpu)
  }

  async placements(wanted: unknown): Promise<Placements> {
    const { gpu, seen } = this.#site
    const { id, name } = await this.find(wanted)
    const doing = `read the placements of ${name} in ${this.#owner}`
    const { possible, free } = await this.#connection.one(
      { operation: 'computeInstancePlacements', args: [gpu, ...seen, id], doing, gpu },
      placementList
    )
    return { possible, free }
  }
}
