// lib/simulator/data.ts: the simulator's JSON tables as one typed module, so that the built package
// needs no files of its own at run time and tsc checks every row against its type.
import { HEADER } from './layout.mjs'

/** Strongest first. */
export const LEVELS = ['recorded', 'documented', 'derived']

/** A row's strength where what says that it is this board's row has the strength `shared`. */
const weaker = (level, shared) => (level === null || LEVELS.indexOf(level) > LEVELS.indexOf(shared) ? level : shared)

const weakened = (row, shared) => ({
  ...row,
  confidence: weaker(row.confidence, shared),
  placementConfidence: weaker(row.placementConfidence, shared),
  ...(row.computeInstances && { computeInstances: row.computeInstances.map(each => weakened(each, shared)) })
})

/** A row that names another in `sameAs` takes from it every field it does not have itself. */
export function complete(row, rows) {
  if (!row.sameAs) return row
  const base = rows.find(({ model }) => model === row.sameAs)
  if (!base || base.sameAs) throw new Error(`${row.model}: sameAs ${row.sameAs} is no full row`)
  return { ...base, profiles: base.profiles.map(each => weakened(each, row.sharedRows.confidence)), ...row }
}

export function simulatorData({ boards, formulas, readings, releases, exported }) {
  const rows = boards.map(row => complete(row, boards))
  return [
    `// ${HEADER}`,
    '// From boards/*.json, formulas.json, readings.json, releases.json and native/simulator/exported_names.json.',
    "import type { BoardRow } from './boards.js'",
    "import type { ReadingTable } from './readings.js'",
    "import type { ExportedNames, ReleaseTable } from './releases.js'",
    '',
    `export const boards: readonly BoardRow<null>[] = [\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]`,
    '',
    `export const formulas = ${JSON.stringify(formulas)} as const`,
    '',
    `export const readingTable: ReadingTable = ${JSON.stringify(readings)}`,
    '',
    `export const releases: ReleaseTable = ${JSON.stringify(releases)}`,
    '',
    `export const exportedNames: ExportedNames = ${JSON.stringify(exported)}`,
    ''
  ].join('\n')
}
