/** Rows that callers bring: what is wrong with one is a sentence, before anything is made of it. */
import { shown } from '../arguments.js'
import { closest } from '../layout/suggest.js'
import type { BoardRow, GpuProfileRow } from './boards.js'
import { ARCHITECTURES } from './compile-image.js'
import { dialects } from './dialects.js'
import { GpuBoard, GpuInstanceProfile } from './image-layout.js'

const FORMAT = 'nvml-mig-board/1'

/** Compute slots of a GPU instance: a whole board of seven slices, given out aligned, has the most. */
const COMPUTE_SLOTS = 8
/** The simulator keeps a board's memory slices in a word. */
const MEMORY_SLICES = 32
/** Of a GPU and of a GPU instance. */
const LIVE_INSTANCES = 8

type Fields = Readonly<Record<string, unknown>>

/** A part of a row, and where it stands, for sentences. */
class Part {
  readonly where: string
  readonly #fields: Fields

  constructor(where: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TypeError(`${where} is an object, not ${shown(value)}`)
    }
    this.where = where
    this.#fields = value as Fields
  }

  wrong(name: string, right: string): never {
    throw new TypeError(`${this.where}: ${name} is ${right}, not ${shown(this.#fields[name])}`)
  }

  part(name: string): Part {
    return new Part(`${this.where}: ${name}`, this.#fields[name])
  }

  parts(name: string, most: number): Part[] {
    const list = this.#list(name)
    if (list.length > most) this.wrong(name, `a list of at most ${most}`)
    return list.map((value, i) => new Part(`${this.where}: ${titleOf(value) ?? `${name}[${i}]`}`, value))
  }

  #list(name: string): readonly unknown[] {
    const value = this.#fields[name]
    return Array.isArray(value) ? value : this.wrong(name, 'a list')
  }

  text(name: string, pattern?: RegExp, example?: string): string {
    const value = this.#fields[name]
    const fits = typeof value === 'string' && value !== '' && value.length < 80 && (pattern?.test(value) ?? true)
    return fits ? value : this.wrong(name, example === undefined ? 'a string' : `a string such as '${example}'`)
  }

  known(...names: readonly string[]): void {
    for (const name of names) if (this.#fields[name] === undefined) this.wrong(name, 'there, or null if it is not known')
  }

  number(name: string, from = 0, to = 0xffffffff): number {
    const value = this.#fields[name]
    if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) return value as number
    return this.wrong(name, to === 0xffffffff ? `a whole number from ${from} on` : `a whole number from ${from} to ${to}`)
  }

  flag(name: string): void {
    if (typeof this.#fields[name] !== 'boolean') this.wrong(name, 'true or false')
  }

  oneOf(name: string, choices: readonly unknown[]): void {
    if (!choices.includes(this.#fields[name])) this.wrong(name, choices.map(shown).join(' or '))
  }

  /** Starts in ascending order; what lies at each of them ends inside. */
  starts(size: number, units: number, what: string): void {
    const starts = this.#list('starts')
    const ascending = starts.every(
      (start, i) => Number.isInteger(start) && (start as number) >= (i > 0 ? (starts[i - 1] as number) + 1 : 0)
    )
    if (!ascending || starts.length > GpuInstanceProfile.starts.count)
      this.wrong('starts', `an ascending list of at most ${GpuInstanceProfile.starts.count} places`)
    const outside = starts.find(start => (start as number) + size > units)
    if (outside !== undefined)
      throw new RangeError(`${this.where}: ${size} from ${shown(outside)} on run past the ${units} ${what}`)
  }

  /** Names of profiles that there are. */
  names(name: string, profiles: ReadonlySet<string>): void {
    for (const profile of this.#list(name)) {
      if (profiles.has(profile as string)) continue
      const [meant] = typeof profile === 'string' ? closest(profile, [...profiles]) : []
      throw new RangeError(`${this.where}: there is no profile ${shown(profile)}${meant ? `; did you mean '${meant}'?` : ''}`)
    }
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined
  }

  isNull(name: string): boolean {
    return this.#fields[name] === null
  }

  /** Checks with `check` what is known. */
  ifKnown(name: string, check: (name: string) => unknown): void {
    if (!this.isNull(name)) check(name)
  }
}

const titleOf = (value: unknown): string | undefined => {
  const name = (value as { name?: unknown } | null)?.name
  return typeof name === 'string' ? name : undefined
}

const LEVELS = ['recorded', 'documented', 'derived']
const ENGINES = ['copyEngines', 'decoders', 'encoders', 'jpegs', 'ofas']
const GPU_NAME = /^\d+g\.\d+gb([+-][A-Za-z][A-Za-z0-9.]*)?$/
const COMPUTE_NAME = /^(\d+c\.)?\d+g\.\d+gb$/
const PCI_ID = /^0x[0-9A-Fa-f]{8}$/
const VERSION = /^\d{3}(\.\d{1,4}){0,2}$/

function checkIdle(part: Part): void {
  const idle = part.part('idleMemory')
  idle.number('mib')
  idle.oneOf('confidence', LEVELS)
}

function checkComputeProfile(part: Part): void {
  part.text('name', COMPUTE_NAME, '1c.3g.20gb')
  part.number('id')
  if (part.has('slot')) part.number('slot')
  if (part.has('engines')) for (const engine of ENGINES) part.part('engines').number(engine)
  part.number('slices', 1, COMPUTE_SLOTS)
  part.number('instances', 1, LIVE_INSTANCES)
  part.known('multiprocessors')
  part.ifKnown('multiprocessors', name => part.number(name))
  part.starts(part.number('size', 1, COMPUTE_SLOTS), COMPUTE_SLOTS, 'compute slots of a GPU instance')
  part.oneOf('confidence', LEVELS)
  part.oneOf('placementConfidence', LEVELS)
}

function checkProfile(part: Part, memorySlices: number): string {
  const name = part.text('name', GPU_NAME, '3g.20gb')
  part.known('id', 'slot', 'memorySlices', 'starts', 'multiprocessors', 'memoryMiB', 'computeInstances')
  for (const figure of ['id', 'slot', 'multiprocessors', 'memoryMiB']) part.ifKnown(figure, () => part.number(figure))
  if (part.has('capabilities')) part.number('capabilities')
  part.number('computeSlices', 1, COMPUTE_SLOTS)
  part.number('instances', 1, LIVE_INSTANCES)
  const engines = part.part('engines')
  for (const engine of ['copyEngines', 'encoders', 'ofas']) engines.number(engine)
  engines.known('decoders', 'jpegs')
  for (const engine of ['decoders', 'jpegs']) engines.ifKnown(engine, () => engines.number(engine))
  part.flag('p2p')
  part.ifKnown('memorySlices', figure => {
    const size = part.number(figure, Math.ceil(memorySlices / LIVE_INSTANCES), memorySlices)
    part.ifKnown('starts', () => part.starts(size, memorySlices, 'memory slices of the board'))
  })
  part.oneOf('confidence', LEVELS)
  part.oneOf('placementConfidence', [...LEVELS, null])
  checkIdle(part)
  part.ifKnown('computeInstances', list => {
    for (const row of part.parts(list, GpuInstanceProfile.computeProfiles.count)) checkComputeProfile(row)
  })
  return name
}

/** No two profiles of a board share a name, an id or a slot. */
function checkDistinct(where: string, profiles: readonly GpuProfileRow<null>[]): void {
  for (const field of ['name', 'id', 'slot'] as const) {
    const values = profiles.map(profile => profile[field]).filter(value => value !== null)
    const twice = values.find((value, i) => values.indexOf(value) !== i)
    if (twice !== undefined) throw new RangeError(`${where}: two profiles have the ${field} ${shown(twice)}`)
  }
}

/** `value` if it is a row that a board of the simulator could have, of the model `model`. */
export function checkBoard(where: string, value: unknown, model: string): BoardRow<null> {
  const row = new Part(where, value)
  row.oneOf('format', [FORMAT])
  if (row.text('model') !== model) row.wrong('model', `'${model}', the model asked for`)
  const identity = row.part('identity')
  identity.known('name', 'pciDeviceId', 'pciSubSystemId', 'memoryTotalMiB', 'bar1TotalMiB', 'multiprocessorCount', 'memorySlices')
  identity.ifKnown('name', name => identity.text(name))
  const architecture = identity.text('architecture').split(' ')[0]!
  if (!(architecture in ARCHITECTURES)) identity.wrong('architecture', `one of ${Object.keys(ARCHITECTURES).join(', ')}`)
  identity.text('computeCapability', /^\d+\.\d+$/, '8.0')
  for (const id of ['pciDeviceId', 'pciSubSystemId']) identity.ifKnown(id, () => identity.text(id, PCI_ID, '0x20B010DE'))
  for (const figure of ['memoryTotalMiB', 'bar1TotalMiB', 'multiprocessorCount']) {
    identity.ifKnown(figure, () => identity.number(figure))
  }
  identity.number('computeSlices', 1, COMPUTE_SLOTS)
  identity.number('maxMigDevices', 1, LIVE_INSTANCES)
  const memorySlices = identity.isNull('memorySlices') ? LIVE_INSTANCES : identity.number('memorySlices', 1, MEMORY_SLICES)
  row.part('minimumDriver').text('version', VERSION, '525.53')
  row.flag('modeNeedsReset')
  row.flag('alignedComputeSlots')
  checkIdle(row)
  row.known('profiles')
  const names = new Set<string>()
  row.ifKnown('profiles', list => {
    for (const profile of row.parts(list, GpuBoard.profiles.count)) names.add(checkProfile(profile, memorySlices))
    checkDistinct(where, (value as BoardRow<null>).profiles!)
  })
  for (const variant of row.parts('variants', Number.POSITIVE_INFINITY)) {
    variant.oneOf('confidence', LEVELS)
    if (variant.has('dialect')) variant.oneOf('dialect', dialects)
  }
  for (const rule of row.parts('excludes', Number.POSITIVE_INFINITY)) {
    rule.names('profiles', names)
    if (rule.has('beside')) rule.names('beside', names)
  }
  return structuredClone(value) as BoardRow<null>
}
