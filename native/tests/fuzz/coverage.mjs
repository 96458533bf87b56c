// Prints how much of each source file the corpus runs, from what llvm-cov exports; fails when of all lines it is
// less than so many per cent:
//   llvm-cov export -summary-only … | node native/tests/fuzz/coverage.mjs 80
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

const [{ files, totals }] = JSON.parse(readFileSync(0, 'utf8')).data
const least = Number(process.argv[2])

const row = (name, { count, percent }) =>
  console.log(`# ${percent.toFixed(1).padStart(5)} % of ${String(count).padStart(4)} lines  ${name}`)

for (const { filename, summary } of files) row(basename(filename), summary.lines)
row('native/simulator', totals.lines)
if (totals.lines.percent < least) {
  console.log(`# the corpus runs less than ${least} % of the simulator's lines`)
  process.exitCode = 1
}
