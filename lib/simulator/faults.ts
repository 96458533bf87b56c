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
  /** Calls it was held against so far, in all processes that may write the node; of one that was removed, until then. */
  readonly matched: number
  /** Those of them that it struck. It is counted before it acts, so a process that it killed is in it. */
  readonly fired: number
  /** Lets go on what hangs in it; from then on nothing hangs in it any more. */
  release(): void
  /** Ends it; what hangs in it goes on. The second time nothing happens. */
  remove(): void
  [Symbol.dispose](): void
}

/** A GPU that is lost or requires a reset, until `remove()` or what cures it. */
export interface GpuFault {
  readonly gpu: number
  /** What every call about the GPU answers. */
  readonly code: GpuFaultCode
  /** The GPU is well again. Nothing happens if it was before, or something else is wrong with it by now. */
  remove(): void
  [Symbol.dispose](): void
}

/** SimulatorFaultAction of native/abi/simulator_control.h. */
const Action = { return: 1, delay: 2, hang: 3, kill: 4 } as const

function actionOf(fault: CallFaultRequest): [action: number, value: number] {
  if ('returns' in fault) return [Action.return, fault.returns]
  if ('delayMs' in fault) return [Action.delay, fault.delayMs]
  return 'hangs' in fault ? [Action.hang, 0] : [Action.kill, 0]
}

/** A chance as the library takes it: of 2^32, or NONE for certain. */
const chanceOf = (chance: number): number => (chance === 1 ? NONE : Math.floor(chance * 2 ** 32))

/** Puts a fault into a node. Returns its id; 0 of a GPU's, which has none. @internal */
export function armFault(control: NodeControl, fault: FaultRequest): number {
  if ('gpu' in fault) {
    control.command(Command.setHealth, fault.gpu, NVML_STATUS.get(fault.code)!)
    return 0
  }
  const { call, nth, times, chance, seed, pid, after } = fault
  const which = [Number(call === null), pid ?? 0, nth, times ?? NONE, chanceOf(chance), seed]
  return Number(control.named(Command.inject, call ?? undefined, ...which, ...actionOf(fault), Number(after)))
}

const hasEnded = (error: unknown): boolean => error instanceof SimulatorError && error.code === 'NOT_FOUND'

class StandingCallFault implements CallFault {
  readonly call: string | undefined
  readonly #control: NodeControl
  readonly #id: [low: number, high: number]
  #matched = 0
  #fired = 0
  /** Removed, as far as this object knows. */
  ended = false

  constructor(control: NodeControl, { call }: CallFaultRequest, id: number) {
    this.#control = control
    this.call = call ?? undefined
    this.#id = halves(BigInt(id))
  }

  get matched(): number {
    this.#ask(Command.reportFault)
    return this.#matched
  }

  get fired(): number {
    this.#ask(Command.reportFault)
    return this.#fired
  }

  /** Finds out whether somebody else has removed it. */
  stands(): boolean {
    this.#ask(Command.reportFault)
    return !this.ended
  }

  release(): void {
    this.#control.command(Command.releaseFault, ...this.#id)
  }

  remove(): void {
    this.#ask(Command.removeFault)
    this.ended = true
  }

  [Symbol.dispose](): void {
    this.remove()
  }

  /** Carries out a command that says the figures; once it has ended they stay as they are. */
  #ask(command: number): void {
    if (this.ended) return
    try {
      const [matched, fired] = this.#control
        .command(command, ...this.#id)
        .split(' ')
        .map(Number) as [number, number]
      this.#matched = matched
      this.#fired = fired
    } catch (error) {
      if (!hasEnded(error)) throw error
      this.ended = true
    }
  }
}

class StandingGpuFault implements GpuFault {
  readonly gpu: number
  readonly code: GpuFaultCode
  readonly #control: NodeControl
  /** Removed, cured, or followed by another trouble of the GPU. */
  ended = false

  constructor(control: NodeControl, { gpu, code }: GpuFaultRequest) {
    this.#control = control
    this.gpu = gpu
    this.code = code
  }

  remove(): void {
    if (!this.ended) this.#control.command(Command.setHealth, this.gpu, 0)
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
    this.#standing = this.#standing.filter(fault => (fault instanceof StandingCallFault ? fault.stands() : !fault.ended))
    return [...this.#standing]
  }

  /** Something around the GPUs has ended their faults of that kind. */
  cured(which: (fault: GpuFault) => boolean): void {
    for (const fault of this.#gpuFaults()) if (which(fault)) fault.ended = true
  }

  #gpuFaults(): StandingGpuFault[] {
    return this.#standing.filter(fault => fault instanceof StandingGpuFault)
  }

  #add(fault: FaultRequest, id: number): StandingFault {
    const added = 'gpu' in fault ? new StandingGpuFault(this.#control, fault) : new StandingCallFault(this.#control, fault, id)
    if ('gpu' in fault) {
      // A GPU has one trouble at a time, and the newest is it.
      for (const before of this.#gpuFaults()) if (before.gpu === fault.gpu) before.ended = true
    }
    this.#standing = [...this.#standing.filter(({ ended }) => !ended), added]
    return added
  }
}
