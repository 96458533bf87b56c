/** A simulated node and the world around its GPUs: resets, reboots, clients, permissions. */
import { randomInt } from 'node:crypto'
import { checkOptions, flag, shown, wholeNumber } from '../arguments.js'
import { series } from '../layout/suggest.js'
import type { NodePlan } from './compile-image.js'
import { Command, halves, NONE, NodeControl } from './control.js'
import { SimulatorError } from './errors.js'
import type { FilledFigure } from './fill.js'
import { ROOT_RIGHT } from './image-layout.js'
import { showModule } from './loaded-module.js'
import { type NodePlace, removeNode } from './node-directory.js'
import { checkReadings, type GpuReadings, numberOf, type ReadingName, word } from './readings.js'
import type { GiNumbering, NodeRequest } from './request.js'
import { installDriver, planUnder } from './upgrade.js'

/** A GPU of a simulated node. Serial, UUID and bus id are derived from the model and the index. */
export interface SimulatedGpu {
  readonly index: number
  /** The model as `simulate` takes it: 'A100-SXM4-40GB'. */
  readonly model: string
  /** What NVML calls it under the node's driver: 'NVIDIA A100-SXM4-40GB'. */
  readonly name: string
  readonly uuid: string
  readonly serial: string
  /** '00000000:07:00.0'. */
  readonly pciBusId: string
  readonly giNumbering: GiNumbering
  /** Figures of its board that were computed because nobody recorded them; `fill: 'derived'` allowed it. */
  readonly filled: readonly FilledFigure[]
}

/** What {@link SimulatedNode.startClient} takes. */
export interface ClientOptions {
  /** Index of the GPU the process uses. */
  readonly gpu: number
  /** Id of the GPU instance it runs in; without one it holds the whole GPU. */
  readonly gpuInstance?: number
  /** Id of the compute instance it runs in. */
  readonly computeInstance?: number
  /** Its process id; chosen above those of real processes if left out. */
  readonly pid?: number
  /** Memory it has taken, of the GPU's or of the instance's; 0 if left out, null if NVML is not to know it. */
  readonly memoryMiB?: number | null
  /** 'compute' if left out. */
  readonly kind?: ClientKind
}

/** Which of NVML's lists of processes a client is in. */
export type ClientKind = 'compute' | 'graphics' | 'mps'

const CLIENT_KINDS: readonly ClientKind[] = ['compute', 'graphics', 'mps']

/** A process that uses a simulated GPU, until `stop()`. */
export interface SimulatedClient {
  readonly gpu: number
  readonly gpuInstance: number | undefined
  readonly computeInstance: number | undefined
  readonly pid: number
  readonly memoryMiB: number | null
  readonly kind: ClientKind
  /** Ends the process. Nothing happens if it ended before, or a reboot took it. */
  stop(): void
  [Symbol.dispose](): void
}

const gpusOf = ({ gpus }: NodePlan): readonly SimulatedGpu[] =>
  gpus.map(({ board, identity, giNumbering, filled }, index) => ({
    index,
    model: board.model,
    name: board.identity.name,
    uuid: identity.uuid,
    serial: identity.serial,
    pciBusId: identity.busId,
    giNumbering,
    filled
  }))

/**
 * A simulated node: a directory whose `library` any NVML client can load. What NVML itself can do is
 * done through a session (`open({ library: node.library, root: node.root })`) or any other client;
 * the methods here are what happens around the GPUs. They act at once and throw a {@link SimulatorError}
 * with the sentence of the node's library when it refuses, `CLOSED` after `close()`.
 */
export class SimulatedNode {
  /** The directory, an absolute path. */
  readonly dir: string
  /** The node's own libnvidia-ml.so.1. */
  readonly library: string
  /** The root of the node's /proc and /dev. */
  readonly root: string
  readonly #place: NodePlace
  readonly #temporary: boolean
  readonly #control: NodeControl
  readonly #request: NodeRequest
  #driver: string
  #gpus: readonly SimulatedGpu[]
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(place: NodePlace, request: NodeRequest, plan: NodePlan, temporary: boolean) {
    this.#place = place
    this.#temporary = temporary
    this.dir = place.dir
    this.library = place.library
    this.root = place.root
    this.#control = new NodeControl(place.library, place.dir)
    this.#request = request
    this.#driver = plan.release.version
    this.#gpus = gpusOf(plan)
  }

  /** The version of the driver whose kernel module is loaded: '550.163.01'. The node is asked, because an upgrade may change it. */
  get driver(): string {
    if (this.#closing) return this.#driver
    const driver = this.#control.command(Command.describe)
    if (driver !== this.#driver) this.#gpus = gpusOf(planUnder(this.#request, driver))
    this.#driver = driver
    return driver
  }

  /** As they were when {@link driver} was read last, or this object loaded a driver; a release may have other names for them. */
  get gpus(): readonly SimulatedGpu[] {
    return this.#gpus
  }

  /** Takes a node as its own that it found, rather than made. @internal */
  attach(): void {
    this.check()
    void this.driver
  }

  /** What `nvidia-smi -r` does to a GPU: its instances are gone and a pending MIG mode takes effect. Refused while something uses it. */
  reset(gpu: number): void {
    this.#control.command(Command.reset, this.#gpu('reset', gpu))
  }

  /**
   * Restarts the machine: every instance and client is gone; Ampere keeps its MIG mode and completes a pending one, later
   * boards forget it. Then the driver is loaded that is installed, see {@link upgradeDriver}.
   */
  reboot(): void {
    this.#loadDriver(Command.reboot)
  }

  /**
   * Unloads the kernel modules and loads those that are installed, see {@link upgradeDriver}. Refused while something
   * uses a GPU.
   */
  reloadDriver(): void {
    this.#loadDriver(Command.reloadDriver)
  }

  /**
   * Installs another driver release, as a package manager does: the library is another file at once, the kernel module
   * stays the old one. Who has NVML initialised goes on; an init by the new library is LIB_RM_VERSION_MISMATCH, until
   * {@link reloadDriver} or {@link reboot}. From then on that is the answer of every call to processes that still have
   * the old library. UUIDs, serials and bus ids stay; settings and readings too.
   *
   * The release that is loaded takes an upgrade back that was not loaded yet.
   * @param driver A branch such as '570' or a version, newer or older.
   * @throws RangeError for a release that there is not, or that does not know a board of the node; then nothing was changed.
   */
  upgradeDriver(driver: string): void {
    installDriver(this.#place, this.#request, driver, this.#control.command(Command.describe))
  }

  #loadDriver(how: number): void {
    this.#control.command(how)
    showModule(this.root, this.driver)
  }

  /** Whether callers have root's rights. NVML answers NO_PERMISSION to much without them. */
  setPrivileged(on: boolean): void {
    if (on === undefined) throw new TypeError('setPrivileged takes true or false')
    this.#control.command(Command.setRights, flag('setPrivileged: on', on) ? ROOT_RIGHT : 0)
  }

  /**
   * Changes what a GPU shows: `node.setReadings(0, { powerMilliwatts: 250_000, temperatureCelsius: 61 })`. null
   * takes a reading away, which NVML then answers NOT_SUPPORTED. Each reading is a change of its own: who looks
   * meanwhile may see some of them.
   * @throws RangeError for a value that such a reading cannot have; then nothing was changed.
   */
  setReadings(gpu: number, readings: GpuReadings): void {
    const index = this.#gpu('setReadings', gpu)
    for (const [name, value] of Object.entries(checkReadings('setReadings', readings)) as [ReadingName, number | null][]) {
      this.#control.command(Command.setReading, index, numberOf(name), ...halves(word(value)))
    }
  }

  /**
   * Starts a process that uses a GPU, or runs in one of its instances. One of that kind that is there already
   * has its memory changed. A node keeps at most 32; one without an instance holds the GPU, in MIG mode too.
   */
  startClient(options: ClientOptions): SimulatedClient {
    checkOptions('startClient', options, ['gpu', 'gpuInstance', 'computeInstance', 'pid', 'memoryMiB', 'kind'])
    const { gpuInstance, computeInstance, memoryMiB = 0, kind = 'compute' } = options
    const gpu = this.#gpu('startClient', options.gpu)
    // Linux gives no process a number of 2^22 or more.
    const pid = options.pid ?? randomInt(2 ** 22 + 1, 2 ** 31)
    if (wholeNumber('startClient: pid', pid) === 0) throw new RangeError('startClient: pid is a process id from 1 on, not 0')
    if (computeInstance !== undefined && gpuInstance === undefined) {
      throw new TypeError('startClient: a computeInstance is one of a gpuInstance, which is missing')
    }
    if (memoryMiB !== null) wholeNumber('startClient: memoryMiB', memoryMiB)
    if (!CLIENT_KINDS.includes(kind))
      throw new RangeError(`startClient: kind is ${series(CLIENT_KINDS.map(shown), 'or')}, not ${shown(kind)}`)
    const ids = [
      gpuInstance === undefined ? NONE : wholeNumber('startClient: gpuInstance', gpuInstance),
      computeInstance === undefined ? NONE : wholeNumber('startClient: computeInstance', computeInstance)
    ]
    const place = [gpu, ...ids, pid, CLIENT_KINDS.indexOf(kind)]
    this.#control.command(Command.startClient, ...place, memoryMiB ?? NONE)
    const stop = (): void => {
      try {
        this.#control.command(Command.stopClient, ...place)
      } catch (error) {
        if (!(error instanceof SimulatorError && ['NOT_FOUND', 'CLOSED'].includes(error.code))) throw error
      }
    }
    return { gpu, gpuInstance, computeInstance, pid, memoryMiB, kind, stop, [Symbol.dispose]: stop }
  }

  /**
   * How often an exported function was called in this process since the node's library was loaded. It
   * is loaded while a session on it is open; without one the answer is 0.
   * @param name The C name: 'nvmlDeviceGetMigMode'. One that no release exports is a TypeError.
   */
  calls(name: string): number {
    if (typeof name !== 'string')
      throw new TypeError(`calls: name is a string such as 'nvmlDeviceGetMigMode', not ${shown(name)}`)
    return this.#control.calls(name)
  }

  /** Holds the live state against the rules of MIG; throws with what is wrong. */
  check(): void {
    this.#control.command(Command.check)
  }

  /**
   * Ends the use of the node. One made without `dir` is gone: its directory is removed, and clients that
   * still have it open can read but no longer change anything. The second time nothing happens.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    try {
      if (this.#temporary) this.#control.command(Command.retire)
    } catch (error) {
      // Somebody removed or damaged it before: then there is nothing that anybody could still change.
      const gone: readonly string[] = ['NOT_A_NODE', 'DRIVER_NOT_LOADED', 'UNKNOWN']
      if (!(error instanceof SimulatorError && gone.includes(error.code))) throw error
    } finally {
      this.#control.close()
      if (this.#temporary) await removeNode(this.#place)
    }
  }

  #gpu(method: string, gpu: number): number {
    if (wholeNumber(`${method}: gpu`, gpu) < this.gpus.length) return gpu
    throw new RangeError(
      `${method}: there is no GPU ${gpu}; this node has ${this.gpus.length === 1 ? 'GPU 0 alone' : `GPUs 0 to ${this.gpus.length - 1}`}`
    )
  }
}
