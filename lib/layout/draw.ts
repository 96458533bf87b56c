/**
 * A GPU's memory slices as text: who owns which, what is free. Data in, text out; nothing is read
 * and nothing is printed here.
 */
import { styleText } from 'node:util'

/** A compute instance as a drawing needs it. */
export interface DrawnComputeInstance {
  id: number
  /** `3g.20gb`, or `1c.3g.20gb` where it takes a part of its GPU instance. */
  profile: string
}

/** A GPU instance as a drawing needs it. */
export interface DrawnInstance {
  id: number
  profile: string
  /** First memory slice. */
  start: number
  /** Memory slices. */
  size: number
  /** `null`: not known, for want of permission. */
  computeInstances: readonly DrawnComputeInstance[] | null
}

/** What `drawLayout` draws, and how. */
export interface DrawLayoutOptions {
  /** Memory slices of the board: 8 on A100 and H100, 4 on A30, 12 on RTX PRO 6000. */
  memorySlices: number
  instances: readonly DrawnInstance[]
  /** Memory slices without a compute slice of their own: slice 7 of an 8-slice board. */
  memoryOnly?: readonly number[]
  /** Columns to stay within, 80 by default. What does not fit side by side is drawn downwards. */
  width?: number
  /** Colours for a terminal; off by default. */
  color?: boolean
}

/** What {@link boardSlices} needs to know of a profile: a `GpuInstanceProfile` has it. */
export interface PlacedProfile {
  placements: readonly { start: number; size: number }[] | null
}

/**
 * What the profiles of a GPU tell of its board: how many memory slices there are, and which of them
 * no instance of the smallest size can take, for want of a compute slice beside them.
 * @returns Both as {@link drawLayout} takes them; 0 slices if no placement is known.
 */
export function boardSlices(profiles: readonly PlacedProfile[]): { memorySlices: number; memoryOnly: number[] } {
  const placements = profiles.flatMap(profile => profile.placements ?? [])
  const memorySlices = Math.max(0, ...placements.map(({ start, size }) => start + size))
  const smallest = Math.min(...placements.map(({ size }) => size))
  const isReached = (slice: number) =>
    placements.some(({ start, size }) => size === smallest && slice >= start && slice < start + size)
  const all = Array.from({ length: memorySlices }, (_, slice) => slice)
  return { memorySlices, memoryOnly: all.filter(slice => !isReached(slice)) }
}

/** One box of the drawing: an instance, or one slice that nothing owns. */
interface Cell {
  start: number
  size: number
  /** Profile, GPU instance, compute instances; or the word for a slice that is free. */
  labels: string[]
  owner: DrawnInstance | undefined
}

type Paint = (cell: Cell, text: string, strong: boolean) => string

/** A drawing wider than this is harder to read, not easier. */
const MAX_WIDTH = 80
const COLORS = ['cyan', 'green', 'yellow', 'magenta', 'blue'] as const

/**
 * Draws the memory slices of one GPU.
 * @returns Lines without a trailing newline: a row of boxes, one per GPU instance and one per free
 *   slice, under the slice numbers; where the labels do not fit `width`, one line per slice instead.
 * @throws {RangeError} An instance lies outside the board or on top of another.
 */
export function drawLayout(options: DrawLayoutOptions): string {
  const { memorySlices, memoryOnly = [], width = MAX_WIDTH, color = false } = options
  const cells = toCells(options)
  const paint: Paint = color ? painter(cells) : (_cell, text) => text
  const pitch = Math.floor((Math.min(width, MAX_WIDTH) - 1) / memorySlices)
  const drawing = drawAcross(cells, memorySlices, pitch, paint) ?? drawDown(cells, memorySlices, paint)
  const unowned = memoryOnly.filter(slice => cells.some(cell => !cell.owner && cell.start === slice))
  return [
    ...drawing,
    ...unowned.map(slice => `Slice ${slice} is memory only: it can be part of a larger instance, not one of its own.`)
  ].join('\n')
}

function toCells({ memorySlices, instances, memoryOnly = [] }: DrawLayoutOptions): Cell[] {
  const cells: Cell[] = []
  let next = 0
  const leaveFree = (end: number) => {
    for (; next < end; next++) {
      cells.push({ start: next, size: 1, labels: [memoryOnly.includes(next) ? 'memory' : 'free'], owner: undefined })
    }
  }
  let previous: DrawnInstance | undefined
  for (const owner of [...instances].sort((a, b) => a.start - b.start)) {
    const { id, start, size } = owner
    if (!(Number.isInteger(start) && Number.isInteger(size) && start >= 0 && size > 0 && start + size <= memorySlices)) {
      throw new RangeError(
        `GPU instance ${id} takes ${size} slices from ${start}, but the board has slices 0 to ${memorySlices - 1}`
      )
    }
    if (previous && start < next) throw new RangeError(`GPU instances ${previous.id} and ${id} both own memory slice ${start}`)
    leaveFree(start)
    cells.push({ start, size, labels: label(owner), owner })
    next = start + size
    previous = owner
  }
  leaveFree(memorySlices)
  return cells
}

function label({ id, profile, computeInstances }: DrawnInstance): string[] {
  if (!computeInstances) return [profile, `GI ${id}`, 'CI ?']
  if (computeInstances.length === 0) return [profile, `GI ${id}`, 'no CI']
  const parts = computeInstances.map(ci => {
    const part = /^(?:MIG )?(\d+c)\./.exec(ci.profile)?.[1]
    return part ? `CI ${ci.id} ${part}` : `CI ${ci.id}`
  })
  return [profile, `GI ${id}`, parts.join('  ')]
}

/** Breaks a label where it may be broken: before an attribute (`+me`) and between compute instances. */
function wrap(label: string, width: number): string[] {
  if (label.length <= width) return [label]
  const glue = label.includes('  ') ? '  ' : ''
  const lines: string[] = []
  for (const piece of glue ? label.split(glue) : label.split(/(?=[+-])/)) {
    const last = lines.at(-1)
    if (last !== undefined && `${last}${glue}${piece}`.length <= width) lines[lines.length - 1] = last + glue + piece
    else lines.push(piece)
  }
  return lines
}

/** The boxes side by side, or nothing where a label is wider than its box. */
function drawAcross(cells: readonly Cell[], memorySlices: number, pitch: number, paint: Paint): string[] | undefined {
  const inner = (cell: Cell) => cell.size * pitch - 1
  const wrapped = cells.map(cell => cell.labels.map(label => wrap(label, inner(cell) - 1)))
  if (wrapped.some((labels, i) => labels.flat().some(line => line.length >= inner(cells[i]!)))) return undefined

  // Like stands beside like: a label that takes two lines in one box gets two in every box.
  const heights = [0, 1, 2].map(n => Math.max(...wrapped.map(labels => labels[n]?.length ?? 0)))
  const height = heights.reduce((sum, n) => sum + n)
  const rows = wrapped.map((labels, i) => {
    const cell = cells[i]!
    if (cell.owner)
      return labels
        .flatMap((lines, n) => [...lines, ...Array<string>(heights[n]! - lines.length).fill('')])
        .map(line => ` ${line}`)
    return Array.from({ length: height }, (_, row) => centre(row === (height - 1) >> 1 ? cell.labels[0]! : '', inner(cell)))
  })
  const ruler = Array.from({ length: memorySlices }, (_, slice) => ` ${centre(String(slice), pitch - 1)}`).join('')
  const row = (y: number) => cells.map((cell, i) => paint(cell, rows[i]![y]!.padEnd(inner(cell)), y < heights[0]!)).join('│')
  const edge = (joint: string) => cells.map(cell => (cell.owner ? '─' : '╌').repeat(inner(cell))).join(joint)
  return [ruler.trimEnd(), `┌${edge('┬')}┐`, ...Array.from({ length: height }, (_, y) => `│${row(y)}│`), `└${edge('┴')}┘`]
}

function drawDown(cells: readonly Cell[], memorySlices: number, paint: Paint): string[] {
  const digits = String(memorySlices - 1).length
  return cells.flatMap(cell =>
    Array.from({ length: cell.size }, (_, row) => {
      const bracket = !cell.owner ? '╌' : cell.size === 1 ? '─' : row === 0 ? '┐' : row === cell.size - 1 ? '┘' : '│'
      const text = row === 0 ? `${bracket} ${cell.labels.join('  ')}` : bracket
      return `${String(cell.start + row).padStart(digits)} ${paint(cell, text, row === 0)}`
    })
  )
}

function centre(text: string, width: number): string {
  return text.padStart((width + text.length) >> 1).padEnd(width)
}

/** Neighbours differ in colour; the profile name stands out; what is free steps back. */
function painter(cells: readonly Cell[]): Paint {
  const owned = cells.filter(cell => cell.owner).map(cell => cell.start)
  return (cell, text, strong) => {
    if (!cell.owner) return styleText('dim', text, { validateStream: false })
    const hue = COLORS[owned.indexOf(cell.start) % COLORS.length]!
    return styleText(strong ? ['bold', hue] : [hue], text, { validateStream: false })
  }
}
