import { checkOptions, flag, wholeNumber } from './arguments.js'
import { ComputeInstance } from './compute-instance.js'
import type { Connection } from './connection.js'
import { type NvmlCode, NvmlError } from './errors.js'
import type { Gpu } from './gpu.js'
import { ComputeProfiles, type GpuInstanceSite } from './profile-tables.js'
import type { ComputeInstanceProfile, GpuInstanceProfile, Placement, Placements } from './profiles.js'
import { computeInstanceBytes, decodeComputeInstance, type GpuInstanceRecord } from './records.js'

/** How NVML refuses a profile that it lists but does not create. */
const REFUSES_PROFILE: ReadonlySet<NvmlCode> = new Set(['NOT_SUPPORTED', 'INVALID_ARGUMENT'])

const computeInstance = { bytes: computeInstanceBytes, decode: decodeComputeInstance }

/** Where to create an instance. */
export interface CreateOptions {
  /** First slice of it: one of the starts that `placements(profile).free` lists. Left out, the driver chooses. */
  start?: number
}

/** The start that a caller asks for, if any. */
export function startOf(method: string, options: unknown): number | undefined {
  checkOptions(method, options, ['start'])
  const { start } = options as CreateOptions
  return start === undefined ? undefined : wholeNumber(`${method}: start`, start)
}

/** A GPU instance: a part of a GPU with memory, engines and compute of its own, to be filled with compute instances. */
export class GpuInstance {
  /** Unique on its GPU; given again after it was destroyed. */
  readonly id: number
  /** The GPU that it is a part of. */
  readonly gpu: Gpu
  /** Name of its profile: `3g.20gb`. */
  readonly profile: string
  /** The driver's number for its profile. */
  readonly profileId: number
  /** Memory slices of the GPU. */
  readonly placement: Placement
  readonly #connection: Connection
  readonly #site: GpuInstanceSite
  readonly #profiles: ComputeProfiles

  /** @internal */
  constructor(connection: Connection, gpu: Gpu, record: GpuInstanceRecord, profiles: readonly GpuInstanceProfile[]) {
    this.#connection = connection
    this.id = record.id
    this.gpu = gpu
    this.profile = profiles.find(profile => profile.id === record.profileId)?.name ?? `profile ${record.profileId}`
    this.profileId = record.profileId
    this.placement = { start: record.start, size: record.size }
    this.#site = { gpu: gpu.index, seen: [record.id, record.profileId, record.start, record.size], profile: this.profile }
    this.#profiles = new ComputeProfiles(connection, this.#site)
  }

  /** As it stands in a sentence. */
  get #title(): string {
    return `GPU instance ${this.id} on GPU ${this.gpu.index}`
  }

  /**
   * The kinds of compute instance that it can be cut into, small before large.
   *
   * @returns What no driver or user may read is null, with the reason in `unavailable`.
   * @throws {NvmlError} `NOT_FOUND` the GPU instance is gone. {SessionError} `INSTANCE_REPLACED`.
   * @see nvmlGpuInstanceGetComputeInstanceProfileInfoV, nvmlGpuInstanceGetComputeInstanceRemainingCapacity
   */
  async profiles(): Promise<ComputeInstanceProfile[]> {
    return await this.#connection.once(`read the profiles of ${this.#title}`, false, () => this.#profiles.read())
  }

  /**
   * Where compute instances of a profile may go, in compute slots of this GPU instance.
   *
   * @param profile Name (`1c.3g.20gb`) or the driver's number.
   * @throws {NvmlError} `FUNCTION_NOT_FOUND` the driver is older than R525; `NOT_FOUND`; `NO_PERMISSION`.
   *   {LayoutError} `UNKNOWN_PROFILE`. {SessionError} `INSTANCE_REPLACED`.
   * @see nvmlGpuInstanceGetComputeInstancePossiblePlacements
   */
  async placements(profile: string | number): Promise<Placements> {
    return await this.#connection.whole(`read placements of ${this.#title}`, false, () => this.#profiles.placements(profile))
  }

  /**
   * Creates a compute instance in it.
   *
   * @param profile Name (`1c.3g.20gb`) or the driver's number; left out, the profile that fills the GPU instance.
   * @throws {NvmlError} `INSUFFICIENT_RESOURCES` no free slots; `NOT_FOUND` the GPU instance is gone; `NO_PERMISSION`.
   *   {LayoutError} `UNKNOWN_PROFILE`. {RangeError} the profile can never start there.
   *   {SessionError} `PLACEMENT_UNAVAILABLE` a start was given and the driver is older than R525; `INSTANCE_REPLACED`; `READ_ONLY`.
   * @see nvmlGpuInstanceCreateComputeInstance, nvmlGpuInstanceCreateComputeInstanceWithPlacement
   */
  async createComputeInstance(profile?: string | number, options: CreateOptions = {}): Promise<ComputeInstance> {
    return await this.#connection.whole(`create a compute instance in ${this.#title}`, true, async () => {
      const start = startOf('createComputeInstance', options)
      const [first, ...others] = await this.#profiles.candidates(profile)
      let attempt = this.#create(first!, start)
      for (const other of others) {
        attempt = attempt.catch((error: unknown) => {
          if (error instanceof NvmlError && REFUSES_PROFILE.has(error.code)) return this.#create(other, start)
          throw error
        })
      }
      return await attempt
    })
  }

  async #create(profile: ComputeInstanceProfile, start: number | undefined): Promise<ComputeInstance> {
    const gpu = this.gpu.index
    const doing = `create a ${profile.name} compute instance in ${this.#title}`
    const args = [gpu, ...this.#site.seen, profile.id, ...this.#profiles.place(profile, start)]
    const record = await this.#connection.one({ operation: 'createComputeInstance', args, doing, gpu }, computeInstance)
    return new ComputeInstance(this.#connection, this.gpu, this.#site, record, profile.name)
  }

  /**
   * Its compute instances, by id.
   * @throws {NvmlError} `NOT_FOUND` the GPU instance is gone; `NO_PERMISSION`. {SessionError} `INSTANCE_REPLACED`.
   * @see nvmlGpuInstanceGetComputeInstances, nvmlComputeInstanceGetInfo_v2
   */
  async computeInstances(): Promise<ComputeInstance[]> {
    const gpu = this.gpu.index
    const doing = `list the compute instances of ${this.#title}`
    return await this.#connection.whole(doing, false, async () => {
      const records = await this.#connection.list(
        { operation: 'computeInstances', args: [gpu, ...this.#site.seen], doing, gpu },
        computeInstance
      )
      const profiles = records.length ? await this.#profiles.known() : []
      const name = (id: number) => profiles.find(profile => profile.id === id)?.name ?? `profile ${id}`
      return records
        .sort((a, b) => a.id - b.id)
        .map(record => new ComputeInstance(this.#connection, this.gpu, this.#site, record, name(record.profileId)))
    })
  }

  /**
   * Destroys it.
   *
   * @param options With `force`, its compute instances are destroyed before it.
   * @throws {NvmlError} `IN_USE` it has compute instances, or a process runs in it; `NOT_FOUND` it is gone; `NO_PERMISSION`.
   *   {SessionError} `INSTANCE_REPLACED` under its id there is now another one; `READ_ONLY`.
   * @see nvmlGpuInstanceDestroy, nvmlComputeInstanceDestroy
   */
  async destroy(options: { force?: boolean } = {}): Promise<void> {
    const doing = `destroy ${this.#title}`
    await this.#connection.once(doing, true, () => {
      checkOptions('destroy', options, ['force'])
      const force = flag('destroy: force', options.force)
      const gpu = this.gpu.index
      const args = [gpu, ...this.#site.seen, Number(force)]
      return this.#connection.run({ operation: 'destroyGpuInstance', args, doing, gpu })
    })
  }
}
