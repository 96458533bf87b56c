import { checkOptions, flag, optionalText, shown, wholeNumber } from './arguments.js'
import { Connection, type Task } from './connection.js'
import { NvmlError } from './errors.js'
import { Gpu } from './gpu.js'
import { loadedModule } from './kernel-module.js'
import { type MigDevice, migDevice } from './mig-device.js'
import { describeDriver, describeGpus, includedParts, partBits } from './read-snapshot.js'
import { type GpuRecord, NONE, type SessionInfoRecord } from './records.js'
import type { DriverSnapshot, Snapshot, SnapshotOptions } from './snapshot.js'

/** What {@link open} takes. */
export interface OpenOptions {
  /**
   * File of the NVML library; a relative path counts from the working directory. Left out, the
   * driver's `libnvidia-ml.so.1`, which the loader searches.
   */
  library?: string
  /** Folder under which what is not in NVML is read (`/proc`, `/dev`, `/run`); `/` if left out. */
  root?: string
  /** Reject every call that would change something with `READ_ONLY`, before NVML is asked. */
  readOnly?: boolean
}

/** What answers a session. */
export interface SessionInfo {
  /** The file that was opened. */
  library: string
  /** `550.163.01` */
  driverVersion: string
  /** `12.550.163.01` */
  nvmlVersion: string
  /** Newest CUDA that the driver serves, `12.4`, or null if it does not say. */
  cudaVersion: string | null
}

/** A MIG device by its ids. */
export interface MigDeviceRef {
  /** Whatever {@link Session.gpu} takes. */
  gpu: number | string
  /** Id of the GPU instance on that GPU. */
  gpuInstance: number
  /** Id of the compute instance in that GPU instance. */
  computeInstance: number
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const MIG_REF = new RegExp(`^MIG-(?:${UUID}|GPU-${UUID}/\\d+/\\d+)$`, 'i')
const BUS_ID = /^(?:([0-9a-f]{4}|[0-9a-f]{8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i
const LONGEST_TIMER = 2 ** 31 - 1

/** One spelling for all spellings of a PCI bus id, or undefined. */
function busId(text: string): string | undefined {
  const [, domain, rest] = BUS_ID.exec(text) ?? []
  return rest === undefined ? undefined : `${(domain ?? '').padStart(8, '0')}:${rest}`.toLowerCase()
}

function cudaVersion(version: number): string | null {
  return version === NONE ? null : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
}

/** A connection to NVML. Made by {@link open}; `await using` closes it. */
export class Session {
  /** What answers it; read when it was opened. */
  readonly info: SessionInfo
  /** Every GPU that NVML counts, also those it would not open (`unavailable`). In memory: read when the session was opened. */
  readonly gpus: readonly Gpu[]
  readonly #connection: Connection
  readonly #driver: DriverSnapshot

  /** @internal */
  constructor(connection: Connection, info: SessionInfoRecord, gpus: readonly GpuRecord[]) {
    this.#connection = connection
    this.info = {
      library: info.library,
      driverVersion: info.driverVersion,
      nvmlVersion: info.nvmlVersion,
      cudaVersion: cudaVersion(info.cudaDriverVersion)
    }
    this.#driver = describeDriver(connection, info, this.info.cudaVersion)
    this.gpus = Object.freeze(gpus.map(record => new Gpu(connection, record)))
  }

  /**
   * A GPU of this session; asks nobody.
   *
   * @param ref Index, UUID (`GPU-…`) or PCI bus id (`00000000:07:00.0`, `0000:07:00.0`, `07:00.0`), in either case.
   * @throws {RangeError} There is no such GPU; the message lists those there are. {TypeError} It can be none of these.
   */
  gpu(ref: number | string): Gpu {
    if (typeof ref === 'string' && /^\d+$/.test(ref))
      throw new TypeError(`the index of a GPU is a number: gpu(${ref}), not gpu('${ref}')`)
    if (typeof ref !== 'number' && typeof ref !== 'string') {
      throw new TypeError(`a GPU is named by its index, UUID or PCI bus id, not by ${shown(ref)}`)
    }
    const found = this.gpus.find(typeof ref === 'number' ? gpu => gpu.index === ref : this.#named(ref))
    if (found) return found
    const known = this.gpus.map(gpu => `${gpu.index} (${gpu.uuid}, ${gpu.pciBusId})`).join(', ')
    const hint = /^MIG-/i.test(String(ref)) ? '; that is a MIG device: see find(ref)' : `; there is ${known || 'none'}`
    throw new RangeError(`there is no GPU ${shown(ref)}${hint}`)
  }

  #named(ref: string): (gpu: Gpu) => boolean {
    const bus = busId(ref)
    if (bus !== undefined) return gpu => busId(gpu.pciBusId) === bus
    return gpu => gpu.uuid !== '' && gpu.uuid.toLowerCase() === ref.toLowerCase()
  }

  /**
   * The MIG device that a reference names, or undefined if there is none.
   *
   * @param ref `MIG-<uuid>`, `MIG-GPU-<uuid>/<GPU instance>/<compute instance>`, or the ids.
   * @throws {RangeError} The text is no such name, or there is no such GPU. {TypeError} It is neither a text nor ids.
   *   {NvmlError} What NVML refused.
   * @see nvmlDeviceGetHandleByUUID, nvmlDeviceGetMigDeviceHandleByIndex
   */
  async find(ref: string | MigDeviceRef): Promise<MigDevice | undefined> {
    return await this.#connection.whole('find a MIG device', false, async () => {
      try {
        const record = await this.#connection.one(this.#search(ref), migDevice)
        return await this.gpu(record.gpu).describeDevice(record)
      } catch (error) {
        // A GPU without MIG has no MIG devices either.
        if (error instanceof NvmlError && (error.code === 'NOT_FOUND' || error.code === 'NOT_SUPPORTED')) return undefined
        throw error
      }
    })
  }

  #search(ref: string | MigDeviceRef): Task {
    if (typeof ref === 'string') {
      if (MIG_REF.test(ref)) return { operation: 'migDeviceByUuid', args: [], doing: `find ${ref}`, text: ref }
      const hint = /^GPU-/i.test(ref) ? '; that is a GPU: see gpu(ref)' : ''
      throw new RangeError(
        `a MIG device is named MIG-<uuid> or MIG-GPU-<uuid>/<GPU instance>/<compute instance>, not ${shown(ref)}${hint}`
      )
    }
    if (typeof ref !== 'object' || ref === null) {
      throw new TypeError(`find takes a name like MIG-… or { gpu, gpuInstance, computeInstance }, not ${shown(ref)}`)
    }
    checkOptions('find', ref, ['gpu', 'gpuInstance', 'computeInstance'])
    const gpu = this.gpu(ref.gpu).index
    const gpuInstance = wholeNumber('find: gpuInstance', ref.gpuInstance)
    const computeInstance = wholeNumber('find: computeInstance', ref.computeInstance)
    const doing = `find MIG device ${gpuInstance}/${computeInstance} on GPU ${gpu}`
    return { operation: 'migDevice', args: [gpu, gpuInstance, computeInstance], doing, gpu }
  }

  /**
   * The whole node as plain data, which JSON keeps as it is, in one trip to the session's thread: the driver, each
   * GPU with what its board says of itself, its readings, its MIG mode, its profiles as the driver reports them, its
   * instances and MIG devices, and the processes on them. Everything but the driver's versions is read anew. A
   * simulated node can be made of it.
   *
   * @param options `include` names parts that may be left out.
   * @returns What could not be read is null, with NVML's reason in the `unavailable` beside it; one such field never
   *   fails the others. NVML is asked question by question: what others change meanwhile may be in a later answer alone.
   * @throws {SessionError} `CLOSED`; `ABANDONED`. {TypeError} An option that there is not.
   * @see nvmlDeviceGetPciInfo_v3, nvmlDeviceGetGpuInstanceProfileInfoV, nvmlDeviceGetGpuInstances,
   *   nvmlGpuInstanceGetComputeInstanceProfileInfoV, nvmlDeviceGetAttributes_v2, and what the fields name
   */
  async snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    const included = includedParts(options)
    const task = { operation: 'snapshot', args: [partBits(included)], doing: 'read the node' } as const
    const gpus = (view: DataView, at: number) => describeGpus(this.#connection, this.gpus, included, view, at)
    return await this.#connection.once(task.doing, false, async () => ({
      format: 'nvml-mig-snapshot/1',
      driver: structuredClone(this.#driver),
      gpus: await this.#connection.one(task, { bytes: 0, decode: gpus })
    }))
  }

  /**
   * Ends the session: refuses new calls at once, waits for those under way and shuts NVML down. A
   * second call waits for the same end.
   *
   * @param options With `timeoutMs`, waits no longer than that: what runs or waits then rejects
   *   `ABANDONED`, and the library stays loaded.
   * @throws {NvmlError} NVML could not be shut down; the session is closed all the same.
   * @see nvmlShutdown
   */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    checkOptions('close', options, ['timeoutMs'])
    const { timeoutMs } = options
    if (timeoutMs !== undefined && wholeNumber('close: timeoutMs', timeoutMs) > LONGEST_TIMER) {
      throw new RangeError(`close: timeoutMs is at most ${LONGEST_TIMER}, not ${timeoutMs}`)
    }
    await this.#connection.close(timeoutMs)
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const LIB_RM_VERSION_MISMATCH = 18

/** What {@link open} can say better than the usual hint, because it knows where to look. */
async function adviceFor(status: number, nvmlVersion: string, root: string): Promise<string | undefined> {
  if (status !== LIB_RM_VERSION_MISMATCH) return undefined
  const module = await loadedModule(root)
  if (module === undefined) return undefined
  const library = nvmlVersion === '' ? 'the library is not' : `the library is NVML ${nvmlVersion}`
  return (
    `The loaded kernel module is ${module}, ${library}: reload the nvidia modules, or restart the machine. ` +
    'If that was done since this process opened NVML, close all of its sessions first.'
  )
}

/**
 * Opens NVML and lists the GPUs. All calls of a session run in order on a thread of its own; a
 * session that is idle does not keep the process alive.
 *
 * @throws {SessionError} `LIBRARY_NOT_FOUND` there is no driver, or no such file; `AMBIGUOUS_LIBRARY` a library was
 *   opened by path before and would answer now; `NOT_NVML`. {NvmlError} `DRIVER_NOT_LOADED`; `LIB_RM_VERSION_MISMATCH`;
 *   `NO_PERMISSION`; whatever else NVML's initialisation answers.
 * @see nvmlInit_v2
 */
export async function open(options: OpenOptions = {}): Promise<Session> {
  checkOptions('open', options, ['library', 'root', 'readOnly'])
  const library = optionalText('open: library', options.library)
  const root = optionalText('open: root', options.root) ?? '/'
  const readOnly = flag('open: readOnly', options.readOnly)
  const { connection, info, gpus } = await Connection.open(library, readOnly, (status, version) =>
    adviceFor(status, version, root)
  )
  return new Session(connection, info, gpus)
}
