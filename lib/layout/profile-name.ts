/**
 * Profile names: `[<compute slices>c.]<slices>g.<GB>gb[+attribute,…|-attribute,…]`, e.g. `3g.20gb`,
 * `1c.3g.20gb`, `1g.5gb+me`, `1g.24gb+me.all`, `2g.48gb-me`.
 */
import { LayoutError } from './errors.js'

/** A profile name taken apart. */
export interface ProfileName {
  /** Compute slices; equal to `slices` unless the name starts with `<n>c.`. */
  computeSlices: number
  /** Slices of the GPU instance: the number before `g`. */
  slices: number
  /** The number before `gb`: memory rounded as the driver rounds it. A label, not a size to count with. */
  memoryGb: number
  /** With their sign, in the order written: `['+me']`, `['+me.all']`, `['+gfx']`, `['-me']`. */
  attributes: readonly string[]
}

const GRAMMAR = /^(?:(\d{1,5})c\.)?(\d{1,5})g\.(\d{1,5})gb(?:([+-])(.*))?$/
const EXAMPLES = '1g.5gb, 1c.3g.20gb or 1g.5gb+me'

function invalid(text: string, why: string): LayoutError {
  return new LayoutError('INVALID_PROFILE_NAME', `'${text}' is not a profile name: ${why}`)
}

function parseAttributes(text: string, sign: string, list: string): string[] {
  const names = list.split(',')
  for (const name of names) {
    if (!/^[A-Za-z](?:[A-Za-z0-9.]*[A-Za-z0-9])?$/.test(name)) {
      const what = name === '' ? `an attribute is missing after '${sign}' or ','` : `'${name}' cannot be an attribute`
      throw invalid(text, `${what}; attributes are words of letters, digits and dots, like me, gfx or me.all`)
    }
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw invalid(text, `the attribute '${twice}' stands there twice`)
  return names.map(name => sign + name)
}

/**
 * Takes a profile name apart.
 *
 * @param text As NVML or `nvidia-smi mig -lgip` writes it, with or without the leading `MIG `.
 * @returns Its numbers and attributes. `1c.1g.5gb` and `1g.5gb` name the same profile and give the same result.
 * @throws {LayoutError} `INVALID_PROFILE_NAME`, saying which part is wrong. {TypeError} if `text` is not a string.
 */
export function parseProfileName(text: string): ProfileName {
  if (typeof text !== 'string') throw new TypeError(`a profile name is a string like ${EXAMPLES}, not ${typeof text}`)
  const name = text.replace(/^MIG /, '')
  const parts = GRAMMAR.exec(name)
  if (!parts) {
    throw invalid(text, `it should read [<compute slices>c.]<slices>g.<GB>gb[+attribute or -attribute], like ${EXAMPLES}`)
  }
  const slices = Number(parts[2])
  const computeSlices = parts[1] === undefined ? slices : Number(parts[1])
  const memoryGb = Number(parts[3])
  if (slices === 0 || computeSlices === 0 || memoryGb === 0) throw invalid(text, 'no profile has 0 slices or 0 GB')
  if (computeSlices > slices) throw invalid(text, `${computeSlices} compute slices do not fit into ${slices}`)
  return { computeSlices, slices, memoryGb, attributes: parts[4] ? parseAttributes(text, parts[4], parts[5]!) : [] }
}

/**
 * Writes a profile name in its canonical form: compute slices only where they differ, the
 * attributes after one sign. The reverse of {@link parseProfileName}.
 *
 * @throws {LayoutError} `INVALID_PROFILE_NAME` if no name can say that, e.g. for attributes of both signs.
 */
export function formatProfileName(name: ProfileName): string {
  const { computeSlices, slices, memoryGb, attributes } = name
  const sign = attributes[0]?.[0] ?? ''
  const words = attributes.map(attribute => {
    if (attribute.startsWith(sign)) return attribute.slice(1)
    throw new LayoutError('INVALID_PROFILE_NAME', `a profile name has attributes of one sign, not ${attributes.join(' and ')}`)
  })
  const text = `${computeSlices === slices ? '' : `${computeSlices}c.`}${slices}g.${memoryGb}gb${sign}${words.join(',')}`
  parseProfileName(text)
  return text
}

/** `NVML_GPU_INSTANCE_PROFILE_*` constants that stand for an attribute; every other one has none. */
const ATTRIBUTES = new Map<number, string>([
  [7, '+me'], // 1_SLICE_REV1
  [8, '+me'], // 2_SLICE_REV1
  [10, '+gfx'], // 1_SLICE_GFX
  [11, '+gfx'], // 2_SLICE_GFX
  [12, '+gfx'], // 4_SLICE_GFX
  [13, '-me'], // 1_SLICE_NO_ME
  [14, '-me'], // 2_SLICE_NO_ME
  [15, '+me.all'], // 1_SLICE_ALL_ME
  [16, '+me.all'], // 2_SLICE_ALL_ME
  [17, '+gfx'] // 3_SLICE_GFX
])

/** What the name of a GPU instance profile is worked out from. */
export interface ProfileFigures {
  /** The profile's `NVML_GPU_INSTANCE_PROFILE_*` constant. */
  slot: number
  slices: number
  /** Memory of the profile, MiB. */
  memoryMiB: number
  /** Memory of the whole GPU, MiB. */
  gpuMemoryMiB: number
}

/**
 * The name that the driver gives to a GPU instance profile, for drivers before R510, whose profiles
 * carry none: the share of the GPU's memory rounded up to eighths, of the GPU's size in whole GiB
 * rounded up, rounded to the nearest GB.
 *
 * @example profileName({ slot: 2, slices: 3, memoryMiB: 19968, gpuMemoryMiB: 40960 }) // '3g.20gb'
 */
export function profileName({ slot, slices, memoryMiB, gpuMemoryMiB }: ProfileFigures): string {
  const eighths = Math.ceil((8 * memoryMiB) / gpuMemoryMiB)
  const memoryGb = Math.round((eighths * Math.ceil(gpuMemoryMiB / 1024)) / 8)
  const attribute = ATTRIBUTES.get(slot)
  return formatProfileName({ computeSlices: slices, slices, memoryGb, attributes: attribute ? [attribute] : [] })
}
