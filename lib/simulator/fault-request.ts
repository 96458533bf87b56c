/** What is to go wrong on a node, as people ask for it: checked, and written out in full. */
import { checkOptions, flag, shown, wholeNumber } from '../arguments.js'
import { NVML_STATUS, type NvmlCode } from '../errors.js'
import { closest, series } from '../layout/suggest.js'
import { exportedNames } from './data.js'
import { exportedBy, type Release } from './releases.js'

/**
 * Something that goes wrong with calls of NVML, in every process that uses the node. Exactly one of `returns`,
 * `delayMs`, `busyMicroseconds`, `hangs` and `kills`; all else says which calls.
 */
export interface CallFaultOptions {
  /** The C name: 'nvmlDeviceCreateGpuInstance'. If left out, any function. */
  readonly call?: string
  /** The call with which it begins, 1 being the next one. The calls of all processes are counted together. */
  readonly nth?: number
  /** How many calls it strikes from then on; without it, 1 if `nth` is given and `chance` is not, else all of them. */
  readonly times?: number
  /** From 0 to 1, for each of those calls; 1 if left out. */
  readonly chance?: number
  /** From 0 to 2^32 - 1: the same one strikes the same calls by their number. 0 if left out. */
  readonly seed?: number
  /** The process whose calls alone are meant and counted; all if left out. */
  readonly pid?: number
  /** true: not before the function has had its effect. Of `returns`, the answer is another one; of `kills`, nobody learns it. */
  readonly after?: boolean
  /** The call answers so, instead of having its effect: 'INSUFFICIENT_RESOURCES', 'SUCCESS', or a number from 0 to 999. */
  readonly returns?: NvmlCode | 'SUCCESS' | number
  /** The call takes so many milliseconds longer. */
  readonly delayMs?: number
  /** The call takes so many microseconds longer and keeps its processor busy meanwhile, as a call into the kernel does. */
  readonly busyMicroseconds?: number
  /** The call does not come back until the fault is released or removed, or the node closed. */
  readonly hangs?: boolean
  /** SIGKILL for the calling process. */
  readonly kills?: boolean
}

/** A GPU that has gone wrong: one of `lost` and `resetRequired`. */
export interface GpuFaultOptions {
  /** Its index. */
  readonly gpu: number
  /** It has fallen off the bus: every call about it answers GPU_IS_LOST. A reboot brings it back. */
  readonly lost?: boolean
  /** Every call about it answers RESET_REQUIRED until it is reset, or a driver is loaded anew. */
  readonly resetRequired?: boolean
}

/** What `inject` takes, and each of `faults` of `simulate`. */
export type FaultOptions = CallFaultOptions | GpuFaultOptions

/** What happens to a call. */
export type FaultAction =
  | { readonly returns: number }
  | { readonly delayMs: number }
  | { readonly busyMicroseconds: number }
  | { readonly hangs: true }
  | { readonly kills: true }

/** A fault of calls with nothing left out; null: any, all, none in particular. */
export type CallFaultRequest = FaultAction & {
  readonly call: string | null
  readonly nth: number
  readonly times: number | null
  readonly chance: number
  readonly seed: number
  readonly pid: number | null
  readonly after: boolean
}

export interface GpuFaultRequest {
  readonly gpu: number
  readonly code: GpuFaultCode
}

/** What every call about a GPU answers that has gone wrong. */
export type GpuFaultCode = 'GPU_IS_LOST' | 'RESET_REQUIRED'

export type FaultRequest = CallFaultRequest | GpuFaultRequest

/** The node that a fault is for. */
export interface FaultPlace {
  readonly release: Release
  readonly gpus: number
}

const ACTIONS = ['returns', 'delayMs', 'busyMicroseconds', 'hangs', 'kills'] as const
const CALL_OPTIONS = ['call', 'nth', 'times', 'chance', 'seed', 'pid', 'after', ...ACTIONS]
const GPU_OPTIONS = ['gpu', 'lost', 'resetRequired']
/** The one function that answers with words. */
const WORDS = 'nvmlErrorString'

/** Which of some options are given; a flag that is false is not. */
function given<T extends string>(
  what: string,
  options: Readonly<Record<string, unknown>>,
  flags: readonly string[],
  names: readonly T[]
): T[] {
  return names.filter(name => (flags.includes(name) ? flag(`${what}: ${name}`, options[name]) : options[name] !== undefined))
}

function oneOf<T extends string>(what: string, found: readonly T[], choices: readonly T[]): T {
  const [first, second] = found
  if (first === undefined) throw new TypeError(`${what} says nothing to go wrong: give ${series(choices, 'or')}`)
  if (second !== undefined) throw new TypeError(`${what}: ${series(found)} are faults of their own; give one of them`)
  return first
}

/** A function that a library of the release exports. */
function checkCall(what: string, call: unknown, release: Release): string {
  if (typeof call !== 'string')
    throw new TypeError(`${what}: call is a string such as 'nvmlDeviceGetMigMode', not ${shown(call)}`)
  const known = Object.hasOwn(exportedNames.names, call) ? exportedNames.names[call] : undefined
  if (known === undefined) {
    const meant = closest(call, Object.keys(exportedNames.names)).map(shown)
    const advice = meant.length > 0 ? `; did you mean ${series(meant, 'or')}?` : ''
    throw new RangeError(`${what}: NVML has no function ${shown(call)} in any release that the simulator knows${advice}`)
  }
  if (exportedBy(release).has(call)) return call
  const { first, last } = known
  const when = last === undefined ? `from ${first} on` : `from ${first} to ${last}`
  throw new RangeError(`${what}: driver ${release.version} has no function ${shown(call)}; drivers have it ${when}`)
}

function checkCode(what: string, returns: unknown): number {
  if (typeof returns === 'string') {
    const status = returns === 'SUCCESS' ? 0 : NVML_STATUS.get(returns as NvmlCode)
    if (status !== undefined) return status
    const meant = closest(returns.replace(/^NVML_ERROR_/, ''), [...NVML_STATUS.keys()]).map(shown)
    const advice = meant.length > 0 ? `; did you mean ${series(meant, 'or')}?` : `; its codes are such as 'IN_USE'`
    throw new RangeError(`${what}: NVML has no code ${shown(returns)}${advice}`)
  }
  if (typeof returns !== 'number')
    throw new TypeError(`${what}: returns is a code such as 'IN_USE', or its number, not ${shown(returns)}`)
  if (!Number.isInteger(returns) || returns < 0 || returns > 999)
    throw new RangeError(`${what}: returns is a whole number from 0 to 999, not ${returns}`)
  return returns
}

function checkChance(what: string, chance: unknown): number {
  if (typeof chance !== 'number') throw new TypeError(`${what}: chance is a number from 0 to 1, not ${shown(chance)}`)
  if (!(chance >= 0 && chance <= 1)) throw new RangeError(`${what}: chance is from 0 to 1, not ${chance}`)
  return chance
}

function checkTimes(what: string, times: unknown): number | null {
  return times === Number.POSITIVE_INFINITY ? null : wholeNumber(`${what}: times`, times, 1)
}

function checkAction(what: string, options: CallFaultOptions, call: string | null): FaultAction {
  const action = oneOf(what, given(what, { ...options }, ['hangs', 'kills'], ACTIONS), ACTIONS)
  switch (action) {
    case 'returns':
      if (call === WORDS) throw new RangeError(`${what}: ${WORDS} answers with words, so it cannot return a code`)
      return { returns: checkCode(what, options.returns) }
    case 'delayMs':
      return { delayMs: wholeNumber(`${what}: delayMs`, options.delayMs, 1) }
    case 'busyMicroseconds':
      return { busyMicroseconds: wholeNumber(`${what}: busyMicroseconds`, options.busyMicroseconds, 1) }
    case 'hangs':
      return { hangs: true }
    case 'kills':
      return { kills: true }
  }
}

function checkCallFault(what: string, options: CallFaultOptions, { release }: FaultPlace): CallFaultRequest {
  const { nth, times, chance, seed, pid } = options
  if (seed !== undefined && chance === undefined) throw new TypeError(`${what}: a seed is that of a chance, which is missing`)
  const call = options.call === undefined ? null : checkCall(what, options.call, release)
  const once = nth !== undefined && chance === undefined
  return {
    call,
    nth: nth === undefined ? 1 : wholeNumber(`${what}: nth`, nth, 1),
    times: times === undefined ? (once ? 1 : null) : checkTimes(what, times),
    chance: chance === undefined ? 1 : checkChance(what, chance),
    seed: seed === undefined ? 0 : wholeNumber(`${what}: seed`, seed),
    pid: pid === undefined ? null : wholeNumber(`${what}: pid`, pid, 1),
    after: flag(`${what}: after`, options.after),
    ...checkAction(what, options, call)
  }
}

function checkGpuFault(what: string, options: GpuFaultOptions, { gpus }: FaultPlace): GpuFaultRequest {
  const other = Object.keys(options).find(name => !GPU_OPTIONS.includes(name))
  if (other !== undefined)
    throw new TypeError(`${what}: a GPU goes wrong for every call about it, so ${other} has no meaning beside gpu`)
  const kind = oneOf(what, given(what, { ...options }, GPU_OPTIONS.slice(1), ['lost', 'resetRequired']), [
    'lost',
    'resetRequired'
  ])
  const gpu = wholeNumber(`${what}: gpu`, options.gpu)
  if (gpu >= gpus) {
    throw new RangeError(`${what}: there is no GPU ${gpu}; this node has ${gpus === 1 ? 'GPU 0 alone' : `GPUs 0 to ${gpus - 1}`}`)
  }
  return { gpu, code: kind === 'lost' ? 'GPU_IS_LOST' : 'RESET_REQUIRED' }
}

/** Checks one fault. Whatever is wrong with it is a TypeError or RangeError, and nothing was changed. */
export function checkFault(what: string, options: FaultOptions, place: FaultPlace): FaultRequest {
  checkOptions(what, options, [...CALL_OPTIONS, ...GPU_OPTIONS])
  const isOfGpu = GPU_OPTIONS.some(name => options[name as keyof FaultOptions] !== undefined)
  return isOfGpu
    ? checkGpuFault(what, options as GpuFaultOptions, place)
    : checkCallFault(what, options as CallFaultOptions, place)
}

/** Checks the faults that a node has from the start. */
export function checkFaults(what: string, faults: unknown, place: FaultPlace): FaultRequest[] {
  if (faults === undefined) return []
  if (!Array.isArray(faults))
    throw new TypeError(`${what} is a list such as [{ call: 'nvmlInit_v2', delayMs: 200 }], not ${shown(faults)}`)
  return faults.map((fault, i) => checkFault(`${what}[${i}]`, fault as FaultOptions, place))
}
