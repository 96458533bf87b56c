import type { Connection } from './connection.js'
import type { Gpu } from './gpu.js'
import { type MigDevice, migDevice } from './mig-device.js'
import type { GpuInstanceSite } from './profile-tables.js'
import type { Placement } from './profiles.js'
import { type ComputeInstanceRecord, NONE } from './records.js'

/** A compute instance: a part of the compute slices of a GPU instance, seen by CUDA as one MIG device. */
export class ComputeInstance {
  /** Unique in its GPU instance; given again after it was destroyed. */
  readonly id: number
  /** The GPU that it is a part of. */
  readonly gpu: Gpu
  /** Id of the GPU instance that holds it. */
  readonly gpuInstanceId: number
  /** Name of its profile: `1c.3g.20gb`; as the driver calls it, so without the `+me` of its GPU instance. */
  readonly profile: string
  /** The driver's number for its profile. */
  readonly profileId: number
  /** Compute slots of the GPU instance, or null if this driver does not say. */
  readonly placement: Placement | null
  readonly #connection: Connection
  readonly #seen: readonly number[]

  /** @internal */
  constructor(connection: Connection, gpu: Gpu, site: GpuInstanceSite, record: ComputeInstanceRecord, profile: string) {
    this.#connection = connection
    this.#seen = [...site.seen, record.id, record.profileId, record.start, record.size]
    this.id = record.id
    this.gpu = gpu
    this.gpuInstanceId = site.seen[0]
    this.profile = profile
    this.profileId = record.profileId
    this.placement = record.start === NONE ? null : { start: record.start, size: record.size }
  }

  /** As it stands in a sentence. */
  get #title(): string {
    return `compute instance ${this.id} of GPU instance ${this.gpuInstanceId} on GPU ${this.gpu.index}`
  }

  /**
   * The MIG device that it is to CUDA.
   * @throws {NvmlError} `NOT_FOUND` it is gone.
   * @see nvmlDeviceGetMigDeviceHandleByIndex, nvmlDeviceGetAttributes_v2
   */
  async device(): Promise<MigDevice> {
    const { index } = this.gpu
    const doing = `find the MIG device of ${this.#title}`
    const args = [index, this.gpuInstanceId, this.id]
    return await this.#connection.whole(doing, false, async () => {
      const record = await this.#connection.one({ operation: 'migDevice', args, doing, gpu: index }, migDevice)
      return await this.gpu.describeDevice(record)
    })
  }

  /**
   * Destroys it; its GPU instance stays.
   *
   * @throws {NvmlError} `IN_USE` a process runs on it; `NOT_FOUND` it is gone; `NO_PERMISSION`.
   *   {SessionError} `INSTANCE_REPLACED` under its id there is now another one; `READ_ONLY`.
   * @see nvmlComputeInstanceDestroy
   */
  async destroy(): Promise<void> {
    const { index } = this.gpu
    const args = [index, ...this.#seen]
    const doing = `destroy ${this.#title}`
    const task = { operation: 'destroyComputeInstance', args, doing, gpu: index } as const
    await this.#connection.once(doing, true, () => this.#connection.run(task))
  }
}
