/** Models as people type them. */
import { closest, series } from '../layout/suggest.js'
import type { BoardRow } from './boards.js'
import { boards } from './data.js'

/** The models there are, by the names `simulate` takes. */
export const models: readonly string[] = boards.map(({ model }) => model)

const squeezed = (text: string): string =>
  text
    .toLowerCase()
    .replace(/^nvidia /, '')
    .replace(/[^a-z0-9]/g, '')

/** The words of a name: 'a100', 'sxm4' and '40gb' of 'A100-SXM4-40GB'. */
const words = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(word => word !== '' && word !== 'nvidia')

/** Whether every word of `wanted` begins a word of `model`, the first its first: 'h100-80gb', 'rtx pro 6000'. */
function isShortFor(wanted: readonly string[], model: readonly string[]): boolean {
  const [family, ...rest] = wanted
  return family === model[0] && rest.every(word => model.some(other => other.startsWith(word)))
}

/** The models that `text` may stand for: the one that it spells, or all that it is short for. */
function meant(text: string): BoardRow<null>[] {
  const wanted = squeezed(text)
  const spelt = boards.filter(
    ({ model, identity: { name } }) => squeezed(model) === wanted || (name !== null && squeezed(name) === wanted)
  )
  const short = words(text)
  const candidates = boards.filter(({ model }) => isShortFor(short, words(model)))
  // NVML calls one board 'NVIDIA H100', and who types 'h100' may mean any: only the whole name is that one.
  const whole = /^\s*nvidia\b/i.test(text) || spelt.some(({ model }) => squeezed(model) === wanted)
  return spelt.length > 0 && (whole || candidates.length < 2) ? spelt : candidates
}

/**
 * The row of a model: as it is written, as NVML calls it, or as much of it as only one model has. Case,
 * hyphens and blanks do not matter.
 */
export function findBoard(text: string): BoardRow<null> {
  const [found, ...others] = meant(text)
  if (found && others.length === 0) return found
  if (found) {
    const candidates = [found, ...others].map(({ model }) => model)
    throw new RangeError(`'${text}' can be ${series(candidates, 'or')}: write more of the name`)
  }
  const near = closest(text, models)
  const hint = near.length > 0 ? `; did you mean ${series(near, 'or')}?` : '.'
  throw new RangeError(`there is no board '${text}'${hint} The simulator has ${series(models)}.`)
}
