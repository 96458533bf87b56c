/** Checks of what callers pass: each refusal is a sentence that says what was wrong and what would be right. */
import { inspect } from 'node:util'
import { closest, series } from './layout/suggest.js'

/** A value as it should stand in a sentence. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 100 })
}

/** Refuses what is not an options object, and options that `method` does not have: a misspelt one must not be ignored. */
export function checkOptions(method: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${method}: options are an object like { ${known[0]}: … }, not ${shown(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const [meant] = [...closest(name, known), ...known.filter(each => each.startsWith(name))]
    throw new TypeError(
      `${method} has no option '${name}'${meant ? `; did you mean '${meant}'?` : `; it has ${series(known.map(each => `'${each}'`))}`}`
    )
  }
}

/** A whole number from `least` on, small enough for NVML. */
export function wholeNumber(what: string, value: unknown, least = 0): number {
  const most = 0xfffffffe
  if (typeof value !== 'number') throw new TypeError(`${what} is a number, not ${shown(value)}`)
  if (!Number.isInteger(value) || value < least) throw new RangeError(`${what} is a whole number from ${least} on, not ${value}`)
  if (value > most) throw new RangeError(`${what} is at most ${most}, not ${value}`)
  return value
}

/** `value` if it is a boolean; undefined counts as false. */
export function flag(what: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw new TypeError(`${what} is true or false, not ${shown(value)}`)
}

/** `value` if it is a string that is not empty, or undefined. */
export function optionalText(what: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new TypeError(`${what} is a string, not ${shown(value)}`)
  if (value === '' || value.includes('\0')) throw new RangeError(`${what} is empty or has a NUL in it: ${shown(value)}`)
  return value
}
