/** A value from outside and the path that leads to it: whatever is wrong is said with that path. */
import { shown } from '../arguments.js'

export class Field {
  readonly path: string
  readonly value: unknown
  readonly #kept: boolean

  /** `kept`: whether it has to fit into an image. Otherwise the most that a number, text or list may be does not count. */
  constructor(path: string, value: unknown, kept = true) {
    this.path = path
    this.value = value
    this.#kept = kept
  }

  /** Throws: `path is right, not value`. */
  wrong(right: string): never {
    throw new TypeError(`${this.path} is ${right}, not ${shown(this.value)}`)
  }

  #object(): Readonly<Record<string, unknown>> {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.wrong('an object')
    return value as Readonly<Record<string, unknown>>
  }

  at(name: string): Field {
    const object = this.#object()
    return new Field(`${this.path}.${name}`, Object.hasOwn(object, name) ? object[name] : undefined, this.#kept)
  }

  entries(): [name: string, field: Field][] {
    return Object.keys(this.#object()).map(name => [name, this.at(name)])
  }

  /** One element of what is known to be a list. */
  element(index: number): Field {
    return new Field(`${this.path}[${index}]`, (this.value as readonly unknown[])[index], this.#kept)
  }

  list(most: number, least = 0): Field[] {
    const { value } = this
    if (!Array.isArray(value)) return this.wrong('a list')
    if ((this.#kept && value.length > most) || value.length < least) {
      throw new RangeError(
        `${this.path} has ${least > 0 ? `${least} to ${most}` : `at most ${most}`} elements, not ${value.length}`
      )
    }
    return value.map((_, index) => this.element(index))
  }

  text(most: number, pattern?: RegExp, example?: string): string {
    const { value } = this
    const isThere = value !== '' || !this.#kept
    const fits = typeof value === 'string' && isThere && !value.includes('\0') && (pattern?.test(value) ?? true)
    if (!fits) this.wrong(example === undefined ? 'a text' : `a text such as '${example}'`)
    if (this.#kept && Buffer.byteLength(value as string) > most) this.wrong(`a text of at most ${most} bytes`)
    return value as string
  }

  number(most = 0xfffffffe, least = 0): number {
    const { value } = this
    const fits = Number.isInteger(value) && (value as number) >= least && (!this.#kept || (value as number) <= most)
    if (!fits)
      this.wrong(
        most === 0xfffffffe || !this.#kept ? `a whole number from ${least} on` : `a whole number from ${least} to ${most}`
      )
    return value as number
  }

  flag(): boolean {
    return typeof this.value === 'boolean' ? this.value : this.wrong('true or false')
  }

  isAbsent(): boolean {
    return this.value === undefined
  }

  /** null, or what `read` makes of it. */
  orNull<T>(read: (field: this) => T): T | null {
    return this.value === null ? null : read(this)
  }
}
