/** A live node, as its own library lets it be controlled: the table of native/abi/simulator_control.h. */
import { type Binding, binding } from '../binding.js'
import { nvmlCode } from '../errors.js'
import { SimulatorError } from './errors.js'

/** SimulatorCommand of native/abi/simulator_control.h. @internal */
export const Command = {
  reset: 1,
  reboot: 2,
  reloadDriver: 3,
  setRights: 4,
  startClient: 5,
  stopClient: 6,
  retire: 7,
  check: 8,
  setReading: 9,
  raiseEvent: 10,
  setActivity: 11,
  setHealth: 12,
  inject: 13,
  removeFault: 14,
  releaseFault: 15,
  reportFault: 16,
  setMode: 17,
  placeGpuInstance: 18,
  placeComputeInstance: 19,
  describe: 20,
  findDevice: 21,
  reportHealth: 22
} as const

/** kSimulatorNone: "no instance", "whatever it is". */
export const NONE = 0xffffffff

/** The two arguments that a value of 64 bits is. */
export const halves = (bits: bigint): [low: number, high: number] => [Number(bits & 0xffffffffn), Number(bits >> 32n)]

export class NodeControl {
  readonly #library: string
  readonly #dir: string
  #closed = false

  constructor(library: string, dir: string) {
    this.#library = library
    this.#dir = dir
  }

  /** From here on every command throws `CLOSED`. */
  close(): void {
    this.#closed = true
  }

  /** Throws `CLOSED` once the node is. */
  checkOpen(): void {
    if (this.#closed) throw new SimulatorError('CLOSED', `the simulated node in ${this.#dir} was closed`)
  }

  /** Carries a command out and answers with what it says. Throws {@link SimulatorError} with the library's sentence. */
  command(command: number, ...args: number[]): string {
    return this.named(command, undefined, ...args)
  }

  /** {@link command}, for one that takes a name. */
  named(command: number, name: string | undefined, ...args: number[]): string {
    const { status, text } = this.#ask(native => native.simulatorCommand(this.#library, command, args, name))
    if (status !== 0) throw new SimulatorError(nvmlCode(status), text, status)
    return text
  }

  /** Calls of an exported function since the node was made; a TypeError for a name that is none. */
  calls(name: string): number {
    return this.#ask(native => native.simulatorCalls(this.#library, name))
  }

  /** What `use` makes of the node's library, if it can still be loaded. */
  #ask<T>(use: (native: Binding) => T): T {
    this.checkOpen()
    const native = binding()
    try {
      return use(native)
    } catch (cause) {
      if (cause instanceof TypeError) throw cause
      throw new SimulatorError(
        'NOT_A_NODE',
        `the simulated node in ${this.#dir} is gone: ${(cause as Error).message}`,
        undefined,
        {
          cause
        }
      )
    }
  }
}
