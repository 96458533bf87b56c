import { setTimeout } from 'node:timers/promises'
import { checkOptions, flag, optionalText, shown, wholeNumber } from './arguments.js'
import { Connection, type ConnectionOptions, type Opened, type Task } from './connection.js'
import { busId, isMigUuid, parseCudaVisibleDevices } from './device-names.js'
import { NvmlError, SessionError } from './errors.js'
import { Gpu } from './gpu.js'
import { loadedModule } from './kernel-module.js'
import { series } from './layout/suggest.js'
import { type MigDevice, migDevice } from './mig-device.js'
import { describeDriver, describeGpus, includedParts, partBits } from './read-snapshot.js'
import { NONE } from './records.js'
import type { SlowCall } from './slow-calls.js'
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
  /**
   * How long to wait for a driver that is not there yet, milliseconds: while there is no library, none is loaded or
   * it does not fit the library, opening is tried again. Left out, it is tried once.
   */
  wait?: number
  /** Is told, once each, of calls that stay in NVML. What such a call is for waits; other sessions and the event loop do not. */
  onSlow?: (slow: SlowCall) => void
  /** How long a call may take before `onSlow` is told, milliseconds; 5,000 if left out. It is told before twice that. */
  slowMs?: number
}

/** What {@link Session.suspend} has let go of. */
export interface SuspendResult {
  /** Nothing of the library is left in this process: its file can be replaced, its driver unloaded. */
  released: boolean
  /** How many other sessions of this process, in all its threads, have the library open. */
  otherSessions: number
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

const LONGEST_TIMER = 2 ** 31 - 1
const SLOW_MS = 5_000

function cudaVersion(version: number): string | null {
  return version === NONE ? null : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
}

/** A connection to NVML. Made by {@link open}; `await using` closes it. */
export class Session {
  /** What answers it; read when it was opened, or resumed. */
  readonly info!: SessionInfo
  /** Every GPU that NVML counts, also those it would not open (`unavailable`). In memory: read when the session was opened, or resumed. */
  readonly gpus: readonly Gpu[] = []
  readonly #connection: Connection
  #driver!: DriverSnapshot

  /** @internal */
  constructor(connection: Connection, opened: Opened) {
    this.#connection = connection
    this.#describe(opened)
  }

  /** Takes over what NVML says when it is initialised. GPUs that it knew before stay the objects that they are. */
  #describe({ info, gpus }: Opened): void {
    const known = this as { -readonly [K in keyof this]: this[K] }
    known.info = {
      library: info.library,
      driverVersion: info.driverVersion,
      nvmlVersion: info.nvmlVersion,
      cudaVersion: cudaVersion(info.cudaDriverVersion)
    }
    this.#driver = describeDriver(this.#connection, info, this.info.cudaVersion)
    const before = this.gpus
    for (const gpu of before) gpu.describe(gpus[gpu.index]!)
    const more = gpus.slice(before.length).map(record => new Gpu(this.#connection, record))
    known.gpus = Object.freeze([...before, ...more])
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
   * What a name means, whichever name it is: a MIG device or a GPU. Undefined if there is none. {@link gpu} asks
   * nobody and takes GPUs alone.
   *
   * @param ref `MIG-<uuid>`, `MIG-GPU-<uuid>/<GPU instance>/<compute instance>`, or the ids of a MIG device; `GPU-<uuid>`,
   *   or so much of its beginning that no other GPU has it; a PCI bus id; a value of `CUDA_VISIBLE_DEVICES` with one of these.
   * @throws {RangeError} The text is no such name, or names several; there is no GPU with that index, of ids. {TypeError} It
   *   is neither a text nor ids. {NvmlError} What NVML refused.
   * @see nvmlDeviceGetHandleByUUID, nvmlDeviceGetMigDeviceHandleByIndex
   */
  find(ref: `MIG-${string}` | MigDeviceRef): Promise<MigDevice | undefined>
  find(ref: `GPU-${string}`): Promise<Gpu | undefined>
  find(ref: string | MigDeviceRef): Promise<MigDevice | Gpu | undefined>
  async find(ref: string | MigDeviceRef): Promise<MigDevice | Gpu | undefined> {
    return await this.#connection.whole('find a device', false, async () => {
      const task = this.#search(ref)
      if (task instanceof Gpu || task === undefined) return task
      try {
        const record = await this.#connection.one(task, migDevice)
        return await this.gpu(record.gpu).describeDevice(record)
      } catch (error) {
        // A GPU without MIG has no MIG devices either.
        if (error instanceof NvmlError && (error.code === 'NOT_FOUND' || error.code === 'NOT_SUPPORTED')) return undefined
        throw error
      }
    })
  }

  /** The GPU that a text means, or what to ask of NVML. */
  #search(ref: string | MigDeviceRef): Gpu | Task | undefined {
    if (typeof ref === 'string') {
      if (busId(ref) !== undefined) return this.gpus.find(this.#named(ref))
      const [name, ...more] = /^(?:MIG|GPU)-|,/i.test(ref) ? parseCudaVisibleDevices(ref) : []
      if (name === undefined) {
        throw new RangeError(
          `a device is named by its UUID (MIG-<uuid>, MIG-GPU-<uuid>/<GPU instance>/<compute instance>, GPU-<uuid>) or a GPU's PCI bus id, not ${shown(ref)}`
        )
      }
      if (more.length > 0) throw new RangeError(`find takes one device; ${shown(ref)} names ${more.length + 1}`)
      return isMigUuid(name)
        ? { operation: 'migDeviceByUuid', args: [], doing: `find ${name}`, text: name }
        : this.#beginning(name)
    }
    if (typeof ref !== 'object' || ref === null) {
      throw new TypeError(`find takes a name like MIG-… or GPU-…, or { gpu, gpuInstance, computeInstance }, not ${shown(ref)}`)
    }
    checkOptions('find', ref, ['gpu', 'gpuInstance', 'computeInstance'])
    const gpu = this.gpu(ref.gpu).index
    const gpuInstance = wholeNumber('find: gpuInstance', ref.gpuInstance)
    const computeInstance = wholeNumber('find: computeInstance', ref.computeInstance)
    const doing = `find MIG device ${gpuInstance}/${computeInstance} on GPU ${gpu}`
    return { operation: 'migDevice', args: [gpu, gpuInstance, computeInstance], doing, gpu }
  }

  /** The GPU whose UUID begins so. */
  #beginning(text: string): Gpu | undefined {
    const found = this.gpus.filter(({ uuid }) => uuid.toLowerCase().startsWith(text.toLowerCase()))
    if (found.length < 2) return found[0]
    throw new RangeError(`${text} is the beginning of ${series(found.map(({ uuid }) => uuid))}: give more of it`)
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
   * Lets go of the driver until {@link resume}: waits for the calls under way, shuts NVML down and unloads the library,
   * so that a driver can be upgraded under a process that goes on. Calls meanwhile reject `SUSPENDED`. The second time
   * nothing happens.
   *
   * @throws {SessionError} `CLOSED`. {NvmlError} NVML could not be shut down; the session is suspended all the same.
   * @see nvmlShutdown
   */
  async suspend(): Promise<SuspendResult> {
    const { unloaded, others } = await this.#connection.suspend()
    return { released: unloaded === 1, otherSessions: others }
  }

  /**
   * Ends {@link suspend}: loads the library anew, which may be another release by now. `info` and `gpus` are read again:
   * a GPU stays the object that it was and keeps its index; one that is gone is `unavailable`, new ones come last.
   * Instances that were destroyed meanwhile say so when they are used.
   *
   * @param options `wait` as for {@link open}.
   * @throws What {@link open} throws; the session is suspended then as before. {SessionError} `CLOSED`.
   * @see nvmlInit_v2
   */
  async resume(options: { wait?: number } = {}): Promise<void> {
    checkOptions('resume', options, ['wait'])
    const opened = await onceThereIsADriver(duration('resume: wait', options.wait), () => this.#connection.resume())
    if (opened) this.#describe(opened)
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
    await this.#connection.close(duration('close: timeoutMs', options.timeoutMs))
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Milliseconds that a timer can count, or undefined. */
function duration(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && wholeNumber(name, value) > LONGEST_TIMER) {
    throw new RangeError(`${name} is at most ${LONGEST_TIMER}, not ${value}`)
  }
  return value
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/** Whether it may be otherwise once a driver is installed, or the one that is installed is loaded. */
const isNoDriverYet = (error: unknown): boolean =>
  (error instanceof SessionError && error.code === 'LIBRARY_NOT_FOUND') ||
  (error instanceof NvmlError && (error.code === 'DRIVER_NOT_LOADED' || error.code === 'LIB_RM_VERSION_MISMATCH'))

/** Tries again for as long as there is no driver, at longer and longer intervals. */
async function onceThereIsADriver<T>(wait: number | undefined, attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + (wait ?? 0)
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await attempt()
    } catch (error) {
      const left = deadline - performance.now()
      if (wait === undefined || left <= 0 || !isNoDriverYet(error)) throw error
      await setTimeout(Math.min(pause, left))
    }
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
  checkOptions('open', options, ['library', 'root', 'readOnly', 'wait', 'onSlow', 'slowMs'])
  const { onSlow } = options
  const root = optionalText('open: root', options.root) ?? '/'
  const wait = duration('open: wait', options.wait)
  const wanted: ConnectionOptions = {
    library: optionalText('open: library', options.library),
    readOnly: flag('open: readOnly', options.readOnly),
    onSlow,
    slowMs: duration('open: slowMs', options.slowMs) ?? SLOW_MS,
    advise: (status, version) => adviceFor(status, version, root)
  }
  if (onSlow !== undefined && typeof onSlow !== 'function') {
    throw new TypeError(`open: onSlow is a function that takes a slow call, not ${shown(onSlow)}`)
  }
  if (wanted.slowMs === 0) throw new RangeError('open: slowMs is at least 1')
  const { connection, ...opened } = await onceThereIsADriver(wait, () => Connection.open(wanted))
  return new Session(connection, opened)
}
