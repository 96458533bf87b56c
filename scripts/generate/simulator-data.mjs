// lib/simulator/data.ts: the simulator's JSON tables as one typed module, so that the built package
// needs no files of its own at run time and tsc checks every row against its type.
import { HEADER } from './layout.mjs'

/** A row that names another in `sameAs` takes from it every field it does not have itself. */
export function complete(row, rows) {
  if (!row.sameAs) return row
  const base = rows.find(({ model }) => model === row.sameAs)
  if (!base || base.sameAs) throw new Error(`${row.model}: sameAs ${row.sameAs} is no full row`)
  const { sameAs, ...own } = row
  return { ...base, ...own }
}

export function simulatorData({ boards, releases, exported }) {
  const rows = boards.map(row => complete(row, boards))
  return [
    `// ${HEADER}`,
    '// From boards/*.json, releases.json and native/simulator/exported_names.json.',
    "import type { BoardRow } from './boards.js'",
    "import type { ExportedNames, ReleaseTable } from './releases.js'",
    '',
    `export const boards: readonly BoardRow[] = [\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]`,
    '',
    `export const releases: ReleaseTable = ${JSON.stringify(releases)}`,
    '',
    `export const exportedNames: ExportedNames = ${JSON.stringify(exported)}`,
    ''
  ].join('\n')
}
