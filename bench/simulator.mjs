// What does a call of a simulated node cost, alone and beside others?
//
// Reads take no lock, changes take the node's. One node of 8 GPUs, called in C++ (simulator_native.cc, -O2)
// by one thread, by several, and by several processes; every case has its turn in each of the rounds of one
// run, and the ratios are of one round. A cost is the time that passes for each call, whoever makes it, so
// on C processors calls that do not disturb each other cost 1/C of one alone. What is beside a process that
// changes all the time stands next to the same beside one that only takes its share of the processors.
import { availableParallelism } from 'node:os'
import { open } from 'nvml-mig'
import { simulate } from 'nvml-mig/simulator'
import { compile, median, start } from './native.mjs'

const TURNS = 7
const CALLS = { mode: 200_000, uuid: 50_000, change: 6_000, lock: 20_000 }
const NAMES = {
  mode: 'read of one GPU (MIG mode)',
  uuid: 'read of the whole node (MIG device by UUID)',
  change: 'change (create and destroy, halved)',
  lock: "the change's lock alone"
}
/** NVML calls in one round of the C++ side. */
const PER_ROUND = { mode: 1, uuid: 1, change: 2, lock: 1 }

const node = await simulate({ gpus: ['A100-SXM4-40GB*8'] })
const nvml = await open({ library: node.library })
for (const gpu of nvml.gpus) await gpu.setMigMode(true)
await nvml.gpu(0).create('1g.5gb')
await nvml.close()

const program = compile('simulator_native')
// Each has GPUs of its own: the first up to 5 of them, the others one.
const helpers = [0, 5, 6, 7].map(gpu => start(program, node.library, String(gpu)))
const [, beside] = helpers

/** Nanoseconds a call: `threads` threads in each of `processes` processes. */
async function cost(what, { threads = 1, processes = 1 } = {}) {
  const rounds = Math.ceil(CALLS[what] / PER_ROUND[what] / threads / processes)
  const took = await Promise.all(helpers.slice(0, processes).map(helper => helper.ask(`run ${what} ${threads} ${rounds}`)))
  return Math.max(...took.map(Number)) / (rounds * PER_ROUND[what] * threads * processes)
}

/** The same for one thread, while another process does something else all the time. */
async function costBeside(what, company) {
  await beside.ask(`begin ${company} 1`)
  const ns = await cost(what)
  await beside.ask('end')
  return ns
}

const reads = what => [
  { what, way: 'alone', measure: () => cost(what) },
  { what, way: 'beside a process that changes', measure: () => costBeside(what, 'change') },
  { what, way: 'beside a process that only counts', measure: () => costBeside(what, 'spin') },
  { what, way: 'by 4 threads', measure: () => cost(what, { threads: 4 }) },
  { what, way: 'by 4 processes', measure: () => cost(what, { processes: 4 }) }
]
const what = 'change'
const cases = [
  ...reads('mode'),
  ...reads('uuid'),
  { what: 'lock', way: 'alone', measure: () => cost('lock') },
  { what, way: 'alone', measure: () => cost(what) },
  { what, way: 'beside a process that reads', measure: () => costBeside(what, 'uuid') },
  { what, way: 'beside a process that only counts', measure: () => costBeside(what, 'spin') },
  { what, way: 'by 2 threads', measure: () => cost(what, { threads: 2 }) },
  { what, way: 'by 4 threads', measure: () => cost(what, { threads: 4 }) },
  { what, way: 'by 2 processes', measure: () => cost(what, { processes: 2 }) },
  { what, way: 'by 4 processes', measure: () => cost(what, { processes: 4 }) }
].map(each => ({ ...each, all: [] }))

for (let turn = 0; turn <= TURNS; turn++) {
  for (const { measure, all } of cases) {
    const ns = await measure()
    if (turn > 0) all.push(ns) // the first warms everything
  }
}
for (const helper of helpers) await helper.end()
await node.close()

const shown = ns => (ns < 10_000 ? `${ns.toFixed(0)} ns` : `${(ns / 1000).toFixed(1)} us`).padStart(8)
console.log(`${availableParallelism()} processors, medians of ${TURNS} turns; x: to one thread alone`)
for (const { what, way, all } of cases) {
  if (way === 'alone') console.log(NAMES[what])
  const alone = cases.find(other => other.what === what && other.way === 'alone').all
  const ratio = median(all.map((ns, turn) => ns / alone[turn]))
  console.log(`  ${way.padEnd(34)} ${shown(median(all))}${way === 'alone' ? '' : `  ${ratio.toFixed(2)}x`}`)
}
