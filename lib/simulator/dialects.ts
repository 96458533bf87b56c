/**
 * Ways in which drivers differ from one another, or from what clients take for granted, where the records do
 * not say which driver does what. A node speaks none of them unless it is asked to, so that a client
 * which works here has not grown fitted to the simulator.
 */
import { checkOptions, flag } from '../arguments.js'

/** The switches of a node; false if left out. */
export interface Dialects {
  /**
   * A MIG device keeps its index while it lives, so destroying one leaves a hole (NOT_FOUND) instead of
   * renumbering those after it. NVML's header promises no dense indices; every recorded listing has them.
   */
  readonly migIndexHoles?: boolean
  /** Names of MIG devices and profiles lack the 'MIG ' that recorded drivers put in front. */
  readonly plainMigNames?: boolean
  /**
   * Past the last slot a profile is NOT_SUPPORTED (3), as in a slot that the board does not use, instead of
   * INVALID_ARGUMENT (2), which the header documents since 12.9.
   */
  readonly openProfileEnd?: boolean
  /** `nvmlComputeInstanceInfo_t.device` is the parent GPU, as the header's comment says, instead of the MIG device, as a client found on hardware. */
  readonly computeInstanceOfParent?: boolean
  /** An A30 reports the counts of instances that made mig-parted keep its own. */
  readonly a30Counts?: boolean
  /** Handles of MIG devices that are gone keep answering in a process that had them, as was reported of drivers in 2021. */
  readonly staleMigHandles?: boolean
}

/** Bits of enum Dialect in native/simulator/dialect.h; 0 for what boards alone carry. */
const BITS: Readonly<Record<keyof Dialects, number>> = {
  migIndexHoles: 1,
  plainMigNames: 2,
  openProfileEnd: 4,
  computeInstanceOfParent: 8,
  staleMigHandles: 16,
  a30Counts: 0
}

export const DIALECTS = Object.keys(BITS) as (keyof Dialects)[]

/** The switches that are on, checked. */
export function checkDialects(where: string, given: Dialects): Dialects {
  checkOptions(where, given, DIALECTS)
  const on = DIALECTS.filter(name => flag(`${where}: ${name}`, given[name]))
  return Object.fromEntries(on.map(name => [name, true]))
}

export const dialectBits = (dialects: Dialects): number =>
  DIALECTS.reduce((bits, name) => (dialects[name] ? bits | BITS[name] : bits), 0)
