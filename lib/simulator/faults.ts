/** Faults of a node, from their injection until they are removed. */
import { NVML_STATUS } from '../errors.js'
import { Command, halves, NONE, type NodeControl } from './control.js'
import { SimulatorError } from './errors.js'
import {
  type CallFaultRequest,
  checkFault,
  type FaultOptions,
  type FaultPlace,
  type FaultRequest,
  type GpuFaultCode,
  type GpuFaultRequest
} from './fault-request.js'

/** Something that goes wrong with calls, until `remove()`. */
export interface CallFault {
  /** The function it is for; undefined: any. */
  readonly call: string | undefined
  /** Calls it was held against so far, in all processes that may write the node; until it was removed or the node closed. */
  readonly matched: number
  /** Those of them that it struck. It is counted before it acts, so a process that it killed is in it. */
  readonly fired: number
  /** Lets go on what hangs in it; from then on nothing hangs in it any more. Nothing happens if it has ended. */
  release(): void
  /** Ends it; what hangs in it goes on. The second time, or once the node is closed, nothing happens. */
  remove(): void
  [Symbol.dispose](): void
}

/** A GPU that is lost or requires a reset, until `remove()` or what cures it. */
export interface GpuFault {
  readonly gpu: number
  /** What every call about the GPU answers. */
  readonly code: GpuFaultCode
  /** The GPU is well again. Nothing happens if it was before, if something else is wrong with it by now, or once the node is closed. */
  remove(): void
  [Symbol.dispose](): void
}

/** SimulatorFaultAction of native/abi/simulator_control.h. */
const Action = { return: 1, delay: 2, hang: 3, kill: 4, busy: 5 } as const

function actionOf(fault: CallFaultRequest): [action: number, value: number] {
  if ('returns' in fault) return [Action.return, fault.returns]
  if ('delayMs' in fault) return [Action.delay, fault.delayMs]
  if ('busyMicroseconds' in fault) return [Action.busy, fault.busyMicroseconds]
  return 'hangs' in fault ? [Action.hang, 0] : [Action.kill, 0]
}

/** A chance as the library takes it: of 2^32, or NONE for certain. */
const chanceOf = (chance: number): number => (chance === 1 ? NONE : Math.floor(chance * 2 ** 32))

/** Puts a fault into a node. Returns its id; 0 of a GPU's, which has none. @internal */
export function armFault(control: NodeControl, fault: FaultRequest): number {
  if ('gpu' in fault) {
    control.command(Command.setHealth, fault.gpu, NVML_STATUS.get(fault.code)!, NONE)
    return 0
  }
  const { call, nth, times, chance, seed, pid, after } = fault
  const which = [Number(call === null), pid ?? 0, nth, times ?? NONE, chanceOf(chance), seed]
  return Number(control.named(Command.inject, call ?? undefined, ...which, ...actionOf(fault), Number(after)))
}

/** What `ask` answers; undefined once there is nothing to ask about: the fault has ended, or the node is closed. */
function unlessOver<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch (error) {
    if (error instanceof SimulatorError && ['NOT_FOUND', 'CLOSED'].includes(error.code)) return undefined
    throw error
  }
}

class StandingCallFault implements CallFault {
  readonly call: string | undefined
  readonly #control: NodeControl
  readonly #id: [low: number, high: number]
  #figures: readonly [matched: number, fired: number] = [0, 0]
  /** As far as this object knows. */
  ended = false

  constructor(control: NodeControl, { call }: CallFaultRequest, id: number) {
    this.#control = control
    this.call = call ?? undefined
    this.#id = halves(BigInt(id))
  }

  get matched(): number {
    this.stands()
    return this.#figures[0]
  }

  get fired(): number {
    this.stands()
    return this.#figures[1]
  }

  /** Whether it does, and what its figures are: somebody else may have removed it. */
  stands(): boolean {
    this.#learn(this.#ask(Command.reportFault))
    return !this.ended
  }

  release(): void {
    this.#ask(Command.releaseFault)
  }

  remove(): void {
    this.#learn(this.#ask(Command.removeFault))
    this.ended = true
  }

  [Symbol.dispose](): void {
    this.remove()
  }

  /** What the node says to a command; undefined from the end of the fault on. */
  #ask(command: number): string | undefined {
    const said = this.ended ? undefined : unlessOver(() => this.#control.command(command, ...this.#id))
    this.ended = said === undefined
    return said
  }

  /** What nobody can say any more stays as it was said last. */
  #learn(figures: string | undefined): void {
    if (figures !== undefined) this.#figures = figures.split(' ').map(Number) as [number, number]
  }
}

class StandingGpuFault implements GpuFault {
  readonly gpu: number
  readonly code: GpuFaultCode
  readonly #control: NodeControl
  readonly #status: number
  /** Removed, found to be cured, or followed by another trouble of the GPU. */
  ended = false

  constructor(control: NodeControl, { gpu, code }: GpuFaultRequest) {
    this.#control = control
    this.gpu = gpu
    this.code = code
    this.#status = NVML_STATUS.get(code)!
  }

  /** Whether the GPU still has that trouble, whoever cured it. */
  stands(): boolean {
    const health = this.ended ? undefined : unlessOver(() => this.#control.command(Command.reportHealth, this.gpu))
    this.ended = Number(health) !== this.#status
    return !this.ended
  }

  remove(): void {
    if (!this.ended) unlessOver(() => this.#control.command(Command.setHealth, this.gpu, 0, this.#status))
    this.ended = true
  }

  [Symbol.dispose](): void {
    this.remove()
  }
}

type StandingFault = StandingCallFault | StandingGpuFault

/** The faults of one node that were injected through one object. */
export class NodeFaults {
  readonly #control: NodeControl
  #standing: StandingFault[] = []

  /** `first`: those that the node was made with, whose ids count from 1 on. */
  constructor(control: NodeControl, first: readonly FaultRequest[]) {
    this.#control = control
    let id = 0
    for (const fault of first) this.#add(fault, 'gpu' in fault ? 0 : ++id)
  }

  inject(options: FaultOptions, place: FaultPlace): CallFault | GpuFault {
    const fault = checkFault('inject', options, place)
    return this.#add(fault, armFault(this.#control, fault))
  }

  list(): (CallFault | GpuFault)[] {
    this.#control.checkOpen()
    this.#standing = this.#standing.filter(fault => fault.stands())
    return [...this.#standing]
  }

  /** The last moment at which the node can be asked for the figures. */
  close(): void {
    try {
      this.list()
    } catch {
      // Who removed or damaged the node took them along; what was known of them stays.
    }
  }

  #add(fault: FaultRequest, id: number): StandingFault {
    const added = 'gpu' in fault ? new StandingGpuFault(this.#control, fault) : new StandingCallFault(this.#control, fault, id)
    for (const before of this.#standing) {
      // A GPU has one trouble at a time, and the newest is it.
      if ('gpu' in fault && 'gpu' in before && before.gpu === fault.gpu) before.ended = true
    }
    this.#standing = [...this.#standing.filter(({ ended }) => !ended), added]
    return added
  }
}
