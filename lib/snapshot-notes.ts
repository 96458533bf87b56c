/** What of a snapshot could not be read, taken down beside what could. */
import type { Connection } from './connection.js'
import { nvmlCode } from './errors.js'
import type { OutcomeRecord } from './records.js'
import type { UnavailableFields } from './snapshot.js'

/** Takes down why something could not be read, by field. */
export class Notes {
  readonly unavailable: UnavailableFields = {}
  readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** `value`, unless reading it ended badly: then null, with the reason under each of `fields`. */
  figure<T>({ status, call }: OutcomeRecord, value: T, ...fields: readonly string[]): T | null {
    if (status === 0) return value
    for (const field of fields) this.unavailable[field] = { code: nvmlCode(status), status, call: this.connection.symbol(call) }
    return null
  }
}

export const mebibytes = (bytes: number): number => Math.floor(bytes / 2 ** 20)
