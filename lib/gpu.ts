import { shown } from './arguments.js'
import type { Connection } from './connection.js'
import { nvmlCode } from './errors.js'
import { type CreateOptions, GpuInstance, startOf } from './gpu-instance.js'
import { MigDevice, migDevice } from './mig-device.js'
import { architectureName } from './nvml-names.js'
import { GpuProfiles } from './profile-tables.js'
import type { GpuInstanceProfile, Placements, Unavailable } from './profiles.js'
import {
  decodeGpuInstance,
  decodeMigMode,
  type GpuRecord,
  gpuInstanceBytes,
  type MigDeviceRecord,
  migModeBytes,
  NONE
} from './records.js'

const migMode = { bytes: migModeBytes, decode: decodeMigMode }
const gpuInstance = { bytes: gpuInstanceBytes, decode: decodeGpuInstance }

/** Whether MIG is on. */
export interface MigMode {
  /** Whether it is on now. */
  current: boolean
  /** What it will be after the next reset; differs from `current` while a reset is owed. */
  pending: boolean
}

/** What came of a change of the MIG mode that NVML accepted. */
export interface MigModeChange extends MigMode {
  /**
   * - `done`: it is in effect
   * - `in-use`: it is pending, because something holds the GPU; stop that and reset the GPU
   * - `reset-required`: it is pending, because the GPU could not be reset from here; in a virtual machine, restart it
   * - `not-supported`: it is pending, and this platform cannot make it take effect
   * - `unknown`: an answer newer than this package; see `status`
   */
  activation: 'done' | 'in-use' | 'reset-required' | 'not-supported' | 'unknown'
  /** The raw `nvmlReturn_t` behind `activation`. */
  status: number
}

const ACTIVATIONS: Partial<Record<number, MigModeChange['activation']>> = {
  0: 'done',
  3: 'not-supported',
  16: 'reset-required',
  19: 'in-use'
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * A physical GPU. Its identity was read when the session was opened, or resumed; its methods ask NVML, in the
 * order called.
 */
export class Gpu {
  /** NVML's number for it when the session was opened, by PCI bus id. May differ after a restart; `uuid` does not. */
  readonly index: number
  /** `GPU-…`; empty if the GPU is `unavailable`. */
  readonly uuid!: string
  /** `NVIDIA A100-SXM4-40GB`; empty if the GPU is `unavailable`. */
  readonly name!: string
  /** As NVML writes it: `00000000:07:00.0`; empty if the GPU is `unavailable`. */
  readonly pciBusId!: string
  /** Serial number of the board, or null if it has none to read. */
  readonly serial!: string | null
  /** The number in `/dev/nvidia<n>`, or null if it cannot be read. */
  readonly minorNumber!: number | null
  /** Memory, MiB, or null if this user may not read it. */
  readonly memoryMiB!: number | null
  /** `Ampere`, `Hopper`, `Blackwell`, …; NVML's number as text if it is newer than this package; null if unknown. */
  readonly architecture!: string | null
  /** CUDA compute capability, `8.0`, or null if unknown. */
  readonly computeCapability!: string | null
  /** Whether it has MIG at all; says nothing about the mode. */
  readonly migCapable!: boolean
  /** Null, or why NVML would not open this GPU. */
  readonly unavailable!: Unavailable | null
  readonly #connection: Connection
  #profiles!: GpuProfiles

  /** @internal */
  constructor(connection: Connection, record: GpuRecord) {
    this.#connection = connection
    this.index = record.index
    this.describe(record)
  }

  /** Takes over what NVML says of it when it is opened, and again when the session is resumed. @internal */
  describe(record: GpuRecord): void {
    const { status, call } = record
    const known = this as Writable<this>
    known.unavailable = status === 0 ? null : { code: nvmlCode(status), status, call: this.#connection.symbol(call) }
    // One that cannot be opened any more is still the one that it was.
    if (status === 0 || this.uuid === undefined) this.#identify(record)
    this.#profiles = new GpuProfiles(this.#connection, this.index, this.memoryMiB, this.migCapable)
  }

  #identify(record: GpuRecord): void {
    const known = this as Writable<this>
    known.uuid = record.uuid
    known.name = record.name
    known.pciBusId = record.busId
    known.serial = record.serial || null
    known.minorNumber = record.minorNumber === NONE ? null : record.minorNumber
    known.memoryMiB = record.memoryTotalBytes === 0 ? null : Math.floor(record.memoryTotalBytes / 2 ** 20)
    const architecture = record.architecture
    known.architecture = architecture === NONE ? null : architectureName(architecture)
    const { computeCapabilityMajor: major, computeCapabilityMinor: minor } = record
    known.computeCapability = major === NONE ? null : `${major}.${minor}`
    known.migCapable = record.migCapable === 1
  }

  /**
   * Whether MIG is on, and whether a change waits for a reset.
   * @throws {NvmlError} `NOT_SUPPORTED` the GPU has no MIG.
   * @see nvmlDeviceGetMigMode
   */
  async migMode(): Promise<MigMode> {
    const gpu = this.index
    const task = { operation: 'migMode', args: [gpu], doing: `read the MIG mode of GPU ${gpu}`, gpu } as const
    const { current, pending } = await this.#connection.once(task.doing, false, () => this.#connection.one(task, migMode))
    return { current: current === 1, pending: pending === 1 }
  }

  /**
   * Turns MIG on or off. Not every change takes effect at once: see `activation`.
   *
   * @throws {NvmlError} `IN_USE` turning it off, and there are instances; `NOT_SUPPORTED` the GPU has no MIG;
   *   `NO_PERMISSION` this needs root. {SessionError} `READ_ONLY`.
   * @see nvmlDeviceSetMigMode
   */
  async setMigMode(on: boolean): Promise<MigModeChange> {
    const gpu = this.index
    const { current, pending, activation } = await this.#connection.once(`set the MIG mode of GPU ${gpu}`, true, () => {
      if (typeof on !== 'boolean') throw new TypeError(`setMigMode takes true or false, not ${shown(on)}`)
      const doing = `${on ? 'enable' : 'disable'} MIG on GPU ${gpu}`
      return this.#connection.one({ operation: 'setMigMode', args: [gpu, Number(on)], doing, gpu }, migMode)
    })
    return {
      current: current === 1,
      pending: pending === 1,
      activation: ACTIVATIONS[activation] ?? 'unknown',
      status: activation
    }
  }

  /**
   * The kinds of GPU instance that it can be cut into, as `nvidia-smi mig -lgip` lists them: small
   * before large, a profile before its variants.
   *
   * @returns What this driver or user may not read is null, with the reason in `unavailable`. None if
   *   the GPU has no MIG.
   * @throws {NvmlError} `NOT_SUPPORTED` MIG is off and the driver, being older than R550, lists profiles only while it
   *   is on; `NO_PERMISSION` the driver is older than R510.
   * @see nvmlDeviceGetGpuInstanceProfileInfoV, nvmlDeviceGetGpuInstancePossiblePlacements_v2,
   *   nvmlDeviceGetGpuInstanceRemainingCapacity
   */
  async profiles(): Promise<GpuInstanceProfile[]> {
    return await this.#connection.once(`read the profiles of GPU ${this.index}`, false, () => this.#profiles.read())
  }

  /**
   * Where GPU instances of a profile may go, in memory slices of this GPU.
   *
   * @param profile Name (`3g.20gb`, also `MIG 3g.20gb`) or the driver's number (9).
   * @throws {NvmlError} `NO_PERMISSION`; `NOT_SUPPORTED` the GPU has no MIG, or MIG is off and the driver is older than
   *   R550. {LayoutError} `UNKNOWN_PROFILE`.
   * @see nvmlDeviceGetGpuInstancePossiblePlacements_v2, nvmlDeviceGetGpuInstances
   */
  async placements(profile: string | number): Promise<Placements> {
    return await this.#connection.whole(`read placements of GPU ${this.index}`, false, () => this.#profiles.placements(profile))
  }

  /**
   * Its GPU instances, by id; none while MIG is off. Also those without a compute instance, which no
   * MIG device shows.
   * @throws {NvmlError} `NO_PERMISSION`.
   * @see nvmlDeviceGetGpuInstances, nvmlGpuInstanceGetInfo
   */
  async instances(): Promise<GpuInstance[]> {
    const gpu = this.index
    const task = { operation: 'gpuInstances', args: [gpu], doing: `list the GPU instances of GPU ${gpu}`, gpu } as const
    return await this.#connection.whole(task.doing, false, async () => {
      const records = await this.#connection.list(task, gpuInstance)
      const profiles = records.length ? await this.#profiles.known() : []
      return records.sort((a, b) => a.id - b.id).map(record => new GpuInstance(this.#connection, this, record, profiles))
    })
  }

  /**
   * Its MIG devices, by index; none while MIG is off. Needs no right but to use them.
   * @see nvmlDeviceGetMigDeviceHandleByIndex, nvmlDeviceGetAttributes_v2
   */
  async devices(): Promise<MigDevice[]> {
    const gpu = this.index
    const task = { operation: 'migDevices', args: [gpu], doing: `list the MIG devices of GPU ${gpu}`, gpu } as const
    return await this.#connection.whole(task.doing, false, async () => {
      const records = await this.#connection.list(task, migDevice)
      const profiles = records.length ? await this.#profiles.knownIfReadable() : []
      return records.map(record => new MigDevice(this.#connection, this, record, profiles))
    })
  }

  /**
   * Creates a GPU instance, without compute instances.
   *
   * @param profile Name (`3g.20gb`, also `MIG 3g.20gb`) or the driver's number (9).
   * @throws {NvmlError} `INSUFFICIENT_RESOURCES` no free placement; `NOT_SUPPORTED` MIG is off;
   *   `IN_USE` a process holds the whole GPU; `NO_PERMISSION`. {LayoutError} `UNKNOWN_PROFILE`.
   *   {RangeError} the profile can never start there. {SessionError} `READ_ONLY`; `PLACEMENT_UNAVAILABLE`.
   * @see nvmlDeviceCreateGpuInstance, nvmlDeviceCreateGpuInstanceWithPlacement
   */
  async createGpuInstance(profile: string | number, options: CreateOptions = {}): Promise<GpuInstance> {
    return await this.#connection.whole(`create a GPU instance on GPU ${this.index}`, true, async () => {
      const { args, doing } = await this.#creation('createGpuInstance', profile, options, name => `create a ${name} GPU instance`)
      const record = await this.#connection.one({ operation: 'createGpuInstance', args, doing, gpu: this.index }, gpuInstance)
      return new GpuInstance(this.#connection, this, record, await this.#profiles.known())
    })
  }

  /**
   * Creates a GPU instance and the compute instance that fills it: both, or neither.
   *
   * @param profile Name (`1g.5gb`, also `MIG 1g.5gb`) or the driver's number (19).
   * @returns The MIG device that they are to CUDA.
   * @throws What {@link createGpuInstance} throws; {SessionError} `UNDO_FAILED` the compute instance was
   *   refused and the GPU instance could not be destroyed again.
   * @see nvmlDeviceCreateGpuInstance, nvmlGpuInstanceCreateComputeInstance
   */
  async create(profile: string | number, options: CreateOptions = {}): Promise<MigDevice> {
    return await this.#connection.whole(`create a MIG device on GPU ${this.index}`, true, async () => {
      const { args, doing } = await this.#creation('create', profile, options, name => `create a ${name} MIG device`)
      const record = await this.#connection.one({ operation: 'createMigDevice', args, doing, gpu: this.index }, migDevice)
      return await this.describeDevice(record)
    })
  }

  async #creation(
    method: string,
    profile: string | number,
    options: CreateOptions,
    action: (name: string) => string
  ): Promise<{ args: number[]; doing: string }> {
    const gpu = this.index
    const start = startOf(method, options)
    const chosen = await this.#profiles.find(profile)
    const place = await this.#profiles.place(chosen, start)
    const where = start === undefined ? '' : ` at ${start}`
    return { args: [gpu, chosen.id, ...place], doing: `${action(chosen.name)}${where} on GPU ${gpu}` }
  }

  /** @internal */
  async describeDevice(record: MigDeviceRecord): Promise<MigDevice> {
    return new MigDevice(this.#connection, this, record, await this.#profiles.knownIfReadable())
  }
}
