/** A simulated node and the world around its GPUs: resets, reboots, clients, permissions. */
import { shown, wholeNumber } from '../arguments.js'
import { type ActivityOptions, activityArguments } from './activity.js'
import { type ClientOptions, type SimulatedClient, startClient } from './clients.js'
import type { NodePlan } from './compile-image.js'
import { type ContainerOptions, Containers, type SimulatedContainer } from './container.js'
import { Command, halves, NodeControl } from './control.js'
import { SimulatorError } from './errors.js'
import { eventArguments, type RaisedEvent } from './events.js'
import type { CallFaultOptions, FaultOptions, GpuFaultOptions } from './fault-request.js'
import { type CallFault, type GpuFault, NodeFaults } from './faults.js'
import type { FilledFigure } from './fill.js'
import { showModule } from './loaded-module.js'
import { type NodePlace, removeNode } from './node-directory.js'
import { checkReadings, type GpuReadings, numberOf, type ReadingName, word } from './readings.js'
import { releaseLike } from './releases.js'
import type { GiNumbering, NodeRequest } from './request.js'
import { type Capability, readRights } from './rights.js'
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
  readonly #containers: Containers
  readonly #request: NodeRequest
  #driver: string
  #gpus: readonly SimulatedGpu[]
  readonly #faults: NodeFaults
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(place: NodePlace, request: NodeRequest, plan: NodePlan, temporary: boolean) {
    this.#place = place
    this.#temporary = temporary
    this.dir = place.dir
    this.library = place.library
    this.root = place.root
    this.#control = new NodeControl(place.library, place.dir)
    this.#containers = new Containers(
      place,
      this.#control,
      plan.gpus.map(({ identity }) => identity.minorNumber)
    )
    this.#faults = new NodeFaults(this.#control, request.faults ?? [])
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

  /**
   * What `nvidia-smi -r` does to a GPU: its instances are gone, a pending MIG or ECC mode takes effect, and a GPU
   * that required a reset is well again. Refused while something uses it, and of one that is lost or that a
   * virtual machine has.
   */
  reset(gpu: number): void {
    this.#control.command(Command.reset, this.#gpu('reset', gpu))
  }

  /**
   * Restarts the machine: every instance and client is gone, a lost GPU is back; Ampere keeps its MIG mode and
   * completes a pending one, later boards forget it. A vGPU guest keeps the partition that its host gave it. Then the
   * driver is loaded that is installed, see {@link upgradeDriver}.
   */
  reboot(): void {
    this.#loadDriver(Command.reboot)
  }

  /**
   * Unloads the kernel modules and loads those that are installed, see {@link upgradeDriver}. A GPU that required a
   * reset is well again. Refused while something uses a GPU.
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

  /**
   * Whether callers have root's rights, and otherwise which MIG capabilities they hold: `setPrivileged(false,
   * ['mig/monitor'])`. NVML answers NO_PERMISSION to much without them.
   * @throws RangeError for capabilities beside root's rights, which hold them all.
   */
  setPrivileged(on: boolean, capabilities?: readonly Capability[]): void {
    this.#control.command(Command.setRights, readRights(on, capabilities))
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
   * Raises an error that processes are told of which wait for it: `node.raiseEvent({ kind: 'xid', gpu: 0, xid: 79 })`.
   * It is delivered with its instance's ids also when the instance is gone before anybody reads it.
   * @throws {@link SimulatorError} `NOT_FOUND` for an instance that there is not, `NOT_SUPPORTED` for a memory error
   *   of a GPU whose ECC is off; then nothing happens.
   * @see nvmlEventSetWait_v2
   */
  raiseEvent(event: RaisedEvent): void {
    const given = eventArguments('raiseEvent', event)
    this.#control.command(Command.raiseEvent, this.#gpu('raiseEvent', event.gpu), ...given)
  }

  /**
   * Keeps a GPU, or one of its GPU instances, busy from now on: `node.setActivity(0, { gpuInstance: 1,
   * smUtilizationPercent: 40 })`. What GPM shows of it is the mean over the time between two samples. An instance
   * begins idle, also where a busy one was before. Each rate is a change of its own.
   * @throws RangeError for a rate that cannot be, {@link SimulatorError} `NOT_FOUND` for an instance that there is
   *   not, `NOT_SUPPORTED` where GPM is not there: before Hopper, and in a vGPU guest. Then nothing was changed.
   * @see nvmlGpmMetricsGet, nvmlGpmSampleGet, nvmlGpmMigSampleGet
   */
  setActivity(gpu: number, activity: ActivityOptions): void {
    const index = this.#gpu('setActivity', gpu)
    for (const given of activityArguments('setActivity', activity)) this.#control.command(Command.setActivity, index, ...given)
  }

  /**
   * Starts a process that uses a GPU, or runs in one of its instances. One of that kind that is there already
   * has its memory changed. A node keeps at most 32; one without an instance holds the GPU, in MIG mode too.
   */
  startClient(options: ClientOptions): SimulatedClient {
    return startClient(this.#control, options, (method, gpu) => this.#gpu(method, gpu))
  }

  /**
   * Makes a container that sees some of the node: `{ gpus: [0] }`, `{ devices: [{ gpu: 0, gpuInstance: 1,
   * computeInstance: 0 }] }`. Its `library` and `root` are for sessions and clients as the node's own are; its
   * callers have no more rights than its `capabilities`. It ends with the node.
   * @throws TypeError or RangeError for what the node does not have or what is named twice;
   *   {@link SimulatorError} `NOT_FOUND` for a MIG device that does not live. Then nothing was made.
   */
  container(options: ContainerOptions): Promise<SimulatedContainer> {
    return this.#containers.make(options)
  }

  /**
   * Makes something go wrong: `node.inject({ call: 'nvmlDeviceCreateGpuInstance', nth: 3, returns:
   * 'INSUFFICIENT_RESOURCES' })`, or of a GPU `{ gpu: 0, lost: true }`. It is in force at once, in every process
   * that uses the node, until it is removed. Of several that strike the same call all delay, then those hang that
   * do, then the oldest that returns or kills ends the call; each before the function's effect, then each after it.
   * A node has room for 32 faults of calls.
   * @throws TypeError or RangeError for what no fault can be; then nothing was changed.
   */
  inject(fault: CallFaultOptions): CallFault
  inject(fault: GpuFaultOptions): GpuFault
  inject(fault: FaultOptions): CallFault | GpuFault
  inject(fault: FaultOptions): CallFault | GpuFault {
    return this.#faults.inject(fault, { release: releaseLike(this.driver), gpus: this.gpus.length })
  }

  /** What was injected through this object, or the node was made with, and still stands; the oldest first. */
  faults(): readonly (CallFault | GpuFault)[] {
    return this.#faults.list()
  }

  /**
   * How often an exported function was called since the node was made, by all processes together, whatever became of
   * them; resets, reboots and driver upgrades do not end the count. A process that may not write `node.image` counts for
   * itself alone.
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
      this.#faults.close()
      this.#control.close()
      await this.#containers.close()
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
