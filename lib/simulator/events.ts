/** Errors that a simulated GPU reports as events. */
import { checkOptions, shown, wholeNumber } from '../arguments.js'
import { series } from '../layout/suggest.js'
import { halves, NONE } from './control.js'

/**
 * Who is told of MIG changes, the event nvmlEventMigConfigChange: every process that waits for them, the process
 * that made the change alone, or nobody. With 'none' a GPU does not support the event. No record settles
 * which of them drivers do.
 */
export type MigEvents = 'all' | 'own' | 'none'

/** The choices, the usual one first. @internal */
export const MIG_EVENTS: readonly MigEvents[] = ['all', 'own', 'none']

/** What {@link SimulatedNode.raiseEvent} takes. */
export type RaisedEvent = RaisedXid | RaisedMemoryError

/** A critical error of a GPU, the event nvmlEventTypeXidCriticalError. */
export interface RaisedXid {
  readonly kind: 'xid'
  /** Index of the GPU. */
  readonly gpu: number
  /** The number of the error, 79 for example; NVML gives 999 for an unknown one. */
  readonly xid: number
  /** Id of the GPU instance it is put down to; without one it is the whole GPU's. */
  readonly gpuInstance?: number
  /** Id of the compute instance. */
  readonly computeInstance?: number
}

/**
 * A memory error that ECC noticed, corrected (single-bit) or not: the events nvmlEventTypeSingleBitEccError and
 * nvmlEventTypeDoubleBitEccError. The GPU's counts of DRAM errors, volatile and aggregate, go up by one in the
 * same change. A board without ECC, or with ECC off, refuses it.
 */
export interface RaisedMemoryError {
  readonly kind: 'single-bit-ecc' | 'double-bit-ecc'
  /** Index of the GPU. */
  readonly gpu: number
}

/** nvmlEventType*. */
const TYPES: Readonly<Record<RaisedEvent['kind'], number>> = { xid: 8, 'single-bit-ecc': 1, 'double-bit-ecc': 2 }

/** An event as the arguments of its command, but for the GPU; whatever is wrong with it is a sentence that starts with `where`. */
export function eventArguments(where: string, event: RaisedEvent): number[] {
  checkOptions(where, event, ['kind', 'gpu', 'xid', 'gpuInstance', 'computeInstance'])
  const kinds = Object.keys(TYPES)
  if (!kinds.includes(event.kind)) {
    throw new RangeError(`${where}: kind is ${series(kinds.map(shown), 'or')}, not ${shown(event.kind)}`)
  }
  const type = TYPES[event.kind]
  if (event.kind !== 'xid') {
    checkOptions(`${where}: a memory error`, event, ['kind', 'gpu'])
    return [type, 0, 0, NONE, NONE]
  }
  const { xid, gpuInstance, computeInstance } = event
  wholeNumber(`${where}: xid`, xid, 1)
  if (computeInstance !== undefined && gpuInstance === undefined) {
    throw new TypeError(`${where}: a computeInstance is one of a gpuInstance, which is missing`)
  }
  return [
    type,
    ...halves(BigInt(xid)),
    gpuInstance === undefined ? NONE : wholeNumber(`${where}: gpuInstance`, gpuInstance),
    computeInstance === undefined ? NONE : wholeNumber(`${where}: computeInstance`, computeInstance)
  ]
}
