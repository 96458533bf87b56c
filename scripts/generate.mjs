// Writes every generated file from its table; with --check, says which are out of date and fails.
//   npm run generate            after changing a table
//   npm run generate -- --check what the tests run
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportedCalls } from './generate/calls.mjs'
import { coveragePage } from './generate/coverage.mjs'
import { errorStrings, figuresHeader } from './generate/figures.mjs'
import { layOut, toCpp, toTsDecoders, toTsLayout } from './generate/layout.mjs'
import { unmodelledNames } from './generate/names.mjs'
import { readingsPage } from './generate/readings-page.mjs'
import { simulatorData } from './generate/simulator-data.mjs'
import { boardsPage, simulatorPage } from './generate/simulator-page.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = path => readFileSync(root + path, 'utf8')
const json = path => JSON.parse(read(path))

const image = () => layOut(json('native/simulator/image_layout.json'))
const records = () => layOut(json('native/addon/records.json'))
const boards = () =>
  readdirSync(`${root}lib/simulator/boards`)
    .sort()
    .map(name => json(`lib/simulator/boards/${name}`))
const simulator = () => ({
  boards: boards(),
  formulas: json('lib/simulator/formulas.json'),
  readings: json('lib/simulator/readings.json'),
  releases: json('lib/simulator/releases.json'),
  exported: json('native/simulator/exported_names.json'),
  symbols: read('native/abi/symbols.h')
})
const outputs = {
  'native/abi/figures.h': () => figuresHeader(json('native/abi/figures.json')),
  'native/simulator/error_strings.inc': () => errorStrings(json('native/abi/figures.json')),
  'native/simulator/unmodelled.inc': () =>
    unmodelledNames(json('native/simulator/exported_names.json'), read('native/abi/symbols.h')),
  'native/simulator/exported_calls.inc': () => exportedCalls(read('native/abi/symbols.h')),
  'native/simulator/image_layout.h': () => toCpp(image(), 'NVML_MIG_SIMULATOR_IMAGE_LAYOUT_H'),
  'lib/simulator/image-layout.ts': () => toTsLayout(image()),
  'lib/simulator/data.ts': () => simulatorData(simulator()),
  'docs/boards.md': () => boardsPage(simulator()),
  'docs/readings.md': () => readingsPage(simulator()),
  'docs/simulator.md': () => simulatorPage(read('docs/simulator.md'), simulator()),
  'native/addon/records.h': () => toCpp(records(), 'NVML_MIG_ADDON_RECORDS_H'),
  'docs/nvml-coverage.md': () => coveragePage(root),
  'lib/records.ts': () => toTsDecoders(records())
}

let stale = 0
for (const [path, make] of Object.entries(outputs)) {
  const made = make()
  let old
  try {
    old = read(path)
  } catch {
    old = undefined
  }
  if (old === made) continue
  if (process.argv.includes('--check')) {
    console.error(`${path} is out of date: run npm run generate`)
    stale++
  } else {
    mkdirSync(dirname(root + path), { recursive: true })
    writeFileSync(root + path, made)
    console.log(`wrote ${path}`)
  }
}
process.exitCode = stale ? 1 : 0
