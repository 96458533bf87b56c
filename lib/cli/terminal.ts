/** Where a verb writes, and how text and JSON are laid out there. */

/** The streams and the environment of a run: `process`, or a test's own. */
export interface Io {
  stdout: Output
  stderr: Output
  env: Record<string, string | undefined>
}

export interface Output {
  write(text: string): unknown
  /** Only terminals have these. */
  columns?: number
  hasColors?(env?: object): boolean
}

/** Columns to draw in; nothing is known of a pipe. */
export function widthOf(io: Io): number {
  return io.stdout.columns ?? 80
}

/** Whether to colour: a terminal that can, and NO_COLOR (and Node's other variables) not against it. */
export function colorsOf(io: Io): boolean {
  return io.stdout.hasColors?.(io.env) ?? false
}

export function print(io: Io, ...lines: string[]): void {
  io.stdout.write(lines.map(line => `${line}\n`).join(''))
}

/** A JSON document; `kind` and its version let a reader refuse what it does not know. */
export function printJson(io: Io, kind: string, content: object): void {
  print(io, JSON.stringify({ format: `nvml-mig-${kind}/1`, ...content }, null, 2))
}

/**
 * Rows as columns two spaces apart. A column whose name in `align` is 'right' holds figures. No line
 * ends in spaces.
 */
export function table(rows: readonly (readonly string[])[], align: readonly ('left' | 'right')[] = []): string[] {
  const columns = Math.max(0, ...rows.map(row => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)))
  const pad = (cell: string, i: number) => (align[i] === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))
  return rows.map(row => row.map(pad).join('  ').trimEnd())
}

/** `slice 3`, `slices 4-7`. */
export function sliceRange({ start, size }: { start: number; size: number }): string {
  return size === 1 ? `slice ${start}` : `slices ${start}-${start + size - 1}`
}

/** As `nvidia-smi mig -lgipp` writes places: `{0,4}:4`. */
export function placementList(placements: readonly { start: number; size: number }[]): string {
  const [first] = placements
  return first ? `{${placements.map(each => each.start).join(',')}}:${first.size}` : '{}'
}
