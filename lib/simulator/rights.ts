/** What those who call a node's library may do. */
import { flag, shown } from '../arguments.js'
import { series } from '../layout/suggest.js'
import { CONFIG_RIGHT, MONITOR_RIGHT, ROOT_RIGHT } from './image-layout.js'

/**
 * A MIG capability that callers can hold without being root: `mig/config` to create and destroy instances,
 * `mig/monitor` to see all of them and what a GPU shows as a whole.
 */
export type Capability = 'mig/config' | 'mig/monitor'

const BITS = { 'mig/config': CONFIG_RIGHT, 'mig/monitor': MONITOR_RIGHT } as const
const CAPABILITIES = Object.keys(BITS) as Capability[]

/** Checks a list of capabilities: each once, in one order. Root needs none, so none may be given with it. */
export function checkCapabilities(method: string, given: unknown, privileged: boolean): readonly Capability[] {
  if (given === undefined) return []
  if (!Array.isArray(given))
    throw new TypeError(`${method}: capabilities is a list such as ['${CAPABILITIES[0]}'], not ${shown(given)}`)
  for (const name of given) {
    if (CAPABILITIES.includes(name)) continue
    throw new RangeError(`${method}: a capability is ${series(CAPABILITIES.map(shown), 'or')}, not ${shown(name)}`)
  }
  if (privileged && given.length > 0)
    throw new RangeError(`${method}: root holds every capability; who holds only ${series(given.map(shown))} is not privileged`)
  return CAPABILITIES.filter(name => given.includes(name))
}

/** NodeState.rights. */
export const rightBits = (privileged: boolean, capabilities: readonly Capability[] = []): number =>
  capabilities.reduce((bits, name) => bits | BITS[name], privileged ? ROOT_RIGHT : 0)

/** What `setPrivileged` is asked for, checked. */
export function readRights(on: unknown, capabilities: unknown): number {
  if (on === undefined) throw new TypeError('setPrivileged takes true or false')
  const privileged = flag('setPrivileged: on', on)
  return rightBits(privileged, checkCapabilities('setPrivileged', capabilities, privileged))
}
