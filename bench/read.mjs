// What do reads through the library cost beside the same NVML calls made from C++?
//
// The MIG mode (one call: hardly more than the trip to the session's thread), a profile listing and
// gpu.devices() with seven MIG devices, on one simulated node, against read_native.cc (-O2, pointers
// resolved once) on the same library file. Both sides take turns within this run and the simulator
// counts every call: the counts must be equal. The simulator answers almost at once, so the ratios
// show the trip and the decoding; a driver adds its own time to both sides. The trip is two thread
// wake-ups, so it depends on how deep the machine lets an idle core sleep.
import { readFileSync } from 'node:fs'
import { open } from 'nvml-mig'
import { simulate } from 'nvml-mig/simulator'
import { compile, median, start } from './native.mjs'

const TURNS = 9
const ROUNDS = 400

const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
const nvml = await open({ library: node.library })
const gpu = nvml.gpu(0)
await gpu.setMigMode(true)
for (let i = 0; i < 7; i++) await gpu.create('1g.5gb')

const twin = start(compile('read_native'), node.library)
const symbols = readFileSync(new URL('../native/abi/symbols.h', import.meta.url), 'utf8')
// Asking for a count asks for the export table: the measuring itself, not what is measured.
const names = [...symbols.matchAll(/^NVML_SYMBOL\((nvml\w+),/gm)]
  .map(([, name]) => name)
  .filter(name => name !== 'nvmlInternalGetExportTable')
const counts = () => new Map(names.map(name => [name, node.calls(name)]))

async function native(what) {
  const [took, ...calls] = (await twin.ask(`${what} ${ROUNDS}`)).split(' ')
  return {
    took: Number(took) / ROUNDS,
    calls: Object.fromEntries(calls.map(each => each.split('=')).map(([name, count]) => [name, Number(count)]))
  }
}

const reads = { mode: () => gpu.migMode(), profiles: () => gpu.profiles(), devices: () => gpu.devices() }

async function library(what) {
  const before = counts()
  const start = process.hrtime.bigint()
  for (let i = 0; i < ROUNDS; i++) await reads[what]()
  const took = Number(process.hrtime.bigint() - start) / ROUNDS
  const after = counts()
  return {
    took,
    calls: Object.fromEntries(names.map(name => [name, after.get(name) - before.get(name)]).filter(([, count]) => count > 0))
  }
}

const us = ns => `${(ns / 1000).toFixed(1)} us`
// Its init is over before anything is counted.
await native('mode')

const sorted = calls => JSON.stringify(Object.entries(calls).sort())

console.log(`node ${process.version}, ${TURNS} turns of ${ROUNDS} rounds each, medians`)
for (const what of Object.keys(reads)) {
  const here = []
  const there = []
  for (let turn = 0; turn < TURNS; turn++) {
    const mine = await library(what)
    const its = await native(what)
    if (sorted(mine.calls) !== sorted(its.calls)) {
      throw new Error(
        `${what}: the two sides made different calls\n  library ${sorted(mine.calls)}\n  C++     ${sorted(its.calls)}`
      )
    }
    if (turn === 0) continue // warms the JIT
    here.push(mine.took)
    there.push(its.took)
  }
  const calls = Object.values((await native(what)).calls).reduce((sum, count) => sum + count, 0) / ROUNDS
  const ratios = here.map((took, i) => took / there[i])
  console.log(
    `${what.padEnd(8)} library ${us(median(here))}, C++ ${us(median(there))}, ${calls} calls each: ${median(ratios).toFixed(2)}x`
  )
}

// What a simple read adds to a bare round trip through the same worker: the call itself, and the record. The
// trip is what `noop` of the addon costs, which the package does not show.
const { binding } = await import(new URL('../dist/binding.js', import.meta.url))
const { Operation } = await import(new URL('../dist/records.js', import.meta.url))
const worker = binding()
const bare = await open({ library: node.library })
const session = worker.lastSession()
const trip = async action => {
  const start = process.hrtime.bigint()
  for (let i = 0; i < ROUNDS; i++) await action()
  return Number(process.hrtime.bigint() - start) / ROUNDS
}
const bareGpu = bare.gpu(0)
const trips = []
const modes = []
for (let turn = 0; turn < 3 * TURNS; turn++) {
  const noop = await trip(() => worker.call(session, Operation.noop, []))
  const mode = await trip(() => bareGpu.migMode())
  if (turn < TURNS) continue
  trips.push(noop)
  modes.push(mode)
}
console.log(
  `round trip ${us(median(trips))}, a MIG mode ${us(median(modes))}: ${median(modes.map((took, i) => took / trips[i])).toFixed(2)}x`
)
await bare.close()
await twin.end()
await nvml.close()
await node.close()
