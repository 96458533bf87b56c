/** Errors of the simulator itself. What NVML refuses is an NvmlError of the session that asked. */

import type { NvmlCode } from '../errors.js'

/**
 * What went wrong with a simulated node: one of ours, or, where the node's library refused a command, the
 * name of what it answered without NVML_ERROR_.
 */
export type SimulatorCode =
  /** The node was closed. */
  | 'CLOSED'
  /** The directory holds a node that was made by another request. */
  | 'DIFFERENT_NODE'
  /** The directory holds something that is no simulated node, or half of one. */
  | 'NOT_A_NODE'
  /** Nobody recorded a figure of the board that NVML must answer; nothing was made. */
  | 'UNKNOWN_FIGURES'
  /** A node cannot be made in this place. */
  | 'UNUSABLE_DIRECTORY'
  | NvmlCode

/** A simulated node could not be made or controlled. Switch on `code`; `message` is for people. */
export class SimulatorError extends Error {
  static {
    SimulatorError.prototype.name = 'SimulatorError'
  }
  readonly code: SimulatorCode
  /** The nvmlReturn_t that the node's library answered; undefined where no library was asked. */
  readonly status: number | undefined

  /** @internal */
  constructor(code: SimulatorCode, message: string, status?: number, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.status = status
  }
}
