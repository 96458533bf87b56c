import type { Connection } from './connection.js'
import { NvmlError, SessionError } from './errors.js'
import type { Gpu } from './gpu.js'
import type { GpuInstance } from './gpu-instance.js'
import { type Engines, enginesOf, type GpuInstanceProfile, type Placement } from './profiles.js'
import { decodeMigDevice, type MigDeviceRecord, migDeviceBytes, NONE } from './records.js'

const NOT_FOUND = 6

/** @internal */
export const migDevice = { bytes: migDeviceBytes, decode: decodeMigDevice }

/** The profile at the end of a MIG device's name. Drivers put 'MIG ' before it, which nothing promises. */
const PROFILE_AT_END = /(?<= MIG )\S+$|(?<= )(?:\d+c\.)?\d+g\.\d+gb\S*$/

/** The profile of a MIG device, as {@link MigDevice.profile} has it. @internal */
export function profileOf(record: MigDeviceRecord, profiles: readonly GpuInstanceProfile[]): string {
  const gpuInstance = profiles.find(profile => profile.id === record.gpuInstanceProfileId)?.name
  // Who may not look at the GPU instance still learns its profile from the name of the device.
  if (gpuInstance === undefined || record.computeInstanceSlices === NONE)
    return PROFILE_AT_END.exec(record.name)?.[0] ?? record.name
  const { computeInstanceSlices, gpuInstanceSlices } = record
  return computeInstanceSlices === gpuInstanceSlices ? gpuInstance : `${computeInstanceSlices}c.${gpuInstance}`
}

/**
 * A MIG device: one compute instance, as CUDA sees it. What it holds is how NVML described it when
 * it was read; {@link Gpu.devices} reads anew.
 */
export class MigDevice {
  /** The GPU that it is a part of. */
  readonly gpu: Gpu
  /** `MIG-…`; on drivers before R470 `MIG-GPU-<uuid>/<GPU instance>/<compute instance>`. */
  readonly uuid: `MIG-${string}`
  /**
   * `MIG-GPU-<uuid>/<GPU instance>/<compute instance>`: the UUID of drivers before R470, which later ones take too. It
   * names the ids, so whatever device has them.
   */
  readonly legacyUuid: `MIG-GPU-${string}`
  /** Number among the MIG devices of the GPU. It changes when others come and go. */
  readonly index: number
  /** Unique on its GPU; given again after the GPU instance was destroyed. */
  readonly gpuInstanceId: number
  /** Unique in its GPU instance; given again after it was destroyed. */
  readonly computeInstanceId: number
  /** NVML's name: `NVIDIA A100-SXM4-40GB MIG 1g.5gb`. */
  readonly name: string
  /** The profile of its GPU instance, `1g.5gb+me`; with the compute slices before it if it has only some, `1c.3g.20gb`. */
  readonly profile: string
  /** Memory slices of its GPU instance, or null if this user may not look at it. */
  readonly placement: Placement | null
  /** Memory of its GPU instance, MiB, shared by all MIG devices in it; null if it cannot be read. */
  readonly memoryMiB: number | null
  /** Streaming multiprocessors; null if they cannot be read. */
  readonly multiprocessors: number | null
  /** Shared by all MIG devices of its GPU instance; null if they cannot be read. */
  readonly engines: Engines | null
  /** What to put into the environment variable `CUDA_VISIBLE_DEVICES`. */
  readonly cudaVisibleDevices: string
  readonly #connection: Connection
  readonly #seen: readonly number[]

  /** @internal */
  constructor(connection: Connection, gpu: Gpu, record: MigDeviceRecord, profiles: readonly GpuInstanceProfile[]) {
    this.#connection = connection
    this.gpu = gpu
    this.uuid = record.uuid as `MIG-${string}`
    this.legacyUuid = `MIG-${gpu.uuid as `GPU-${string}`}/${record.gpuInstanceId}/${record.computeInstanceId}`
    this.index = record.index
    this.gpuInstanceId = record.gpuInstanceId
    this.computeInstanceId = record.computeInstanceId
    this.name = record.name
    this.profile = profileOf(record, profiles)
    this.placement = record.start === NONE ? null : { start: record.start, size: record.size }
    this.memoryMiB = record.memoryMiB || null
    const unread = record.multiprocessorCount === NONE
    this.multiprocessors = unread ? null : record.multiprocessorCount
    this.engines = unread ? null : enginesOf(record)
    this.cudaVisibleDevices = record.uuid
    this.#seen = [
      record.gpuInstanceId,
      record.gpuInstanceProfileId,
      record.start,
      record.size,
      record.computeInstanceId,
      record.computeProfileId,
      record.computeStart,
      record.computeSize
    ]
  }

  /**
   * The GPU instance that holds it.
   * @throws {NvmlError} `NOT_FOUND` it is gone; `NO_PERMISSION` this user may not list GPU instances.
   * @see nvmlDeviceGetGpuInstances, nvmlGpuInstanceGetInfo
   */
  async gpuInstance(): Promise<GpuInstance> {
    const found = (await this.gpu.instances()).find(({ id }) => id === this.gpuInstanceId)
    if (found) return found
    const { index } = this.gpu
    const doing = `find GPU instance ${this.gpuInstanceId} on GPU ${index}`
    throw new NvmlError({ status: NOT_FOUND, call: 'nvmlDeviceGetGpuInstances', doing, gpu: index })
  }

  /**
   * Destroys its compute instance, and the GPU instance too if that was the last in it. Other compute
   * instances of the GPU instance stay, and so does the GPU instance then.
   *
   * @throws {NvmlError} `IN_USE` a process runs on it; `NOT_FOUND` it is gone; `NO_PERMISSION`.
   *   {SessionError} `INSTANCE_REPLACED` under its ids there is now another one; `READ_ONLY`.
   * @see nvmlComputeInstanceDestroy, nvmlGpuInstanceDestroy
   */
  async destroy(): Promise<void> {
    const { index } = this.gpu
    const doing = `destroy MIG device ${this.gpuInstanceId}/${this.computeInstanceId} on GPU ${index}`
    const task = { operation: 'destroyMigDevice', args: [index, ...this.#seen], doing, gpu: index } as const
    await this.#connection.once(doing, true, () => this.#connection.run(task))
  }

  /** {@link destroy}, content if it is gone already: `await using mig = await gpu.create('1g.5gb')`. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.destroy()
    } catch (error) {
      const gone =
        (error instanceof NvmlError && error.code === 'NOT_FOUND') ||
        (error instanceof SessionError && error.code === 'INSTANCE_REPLACED')
      if (!gone) throw error
    }
  }
}
