// What does a whole snapshot cost beside the same NVML calls made from C++?
//
// Eight A100 with seven MIG devices each, on one simulated node, against snapshot_native.cc (-O2, pointers
// resolved once) on the same library file, in turns. The simulator counts every call: the counts must be
// equal. It answers almost at once, so the first ratio shows the trip, the records and the decoding; the
// second one is beside calls that cost what an ioctl does, 5 us of busy delay in each.
import { readFileSync } from 'node:fs'
import { open } from 'nvml-mig'
import { simulate } from 'nvml-mig/simulator'
import { compile, median, start } from './native.mjs'

const TURNS = 9

const node = await simulate({ gpus: ['A100-SXM4-40GB*8'] })
const nvml = await open({ library: node.library })
for (const gpu of nvml.gpus) {
  await gpu.setMigMode(true)
  for (let i = 0; i < 7; i++) await gpu.create('1g.5gb')
}
const twin = start(compile('snapshot_native'), node.library)
const symbols = readFileSync(new URL('../native/abi/symbols.h', import.meta.url), 'utf8')
// Asking for a count asks for the export table: the measuring itself, not what is measured.
const names = [...symbols.matchAll(/^NVML_SYMBOL\((nvml\w+),/gm)]
  .map(([, name]) => name)
  .filter(name => name !== 'nvmlInternalGetExportTable')
const calls = () => names.reduce((sum, name) => sum + node.calls(name), 0)

const ms = ns => `${(ns / 1e6).toFixed(2)} ms`

/** Both sides in turns, so many snapshots each. */
async function compare(what, rounds) {
  const here = []
  const there = []
  let counted = 0
  for (let turn = 0; turn < TURNS; turn++) {
    const before = calls()
    const begin = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) await nvml.snapshot()
    const took = Number(process.hrtime.bigint() - begin) / rounds
    counted = (calls() - before) / rounds
    const [its, asked] = (await twin.ask(String(rounds))).split(' ').map(each => Number(each) / rounds)
    if (asked !== counted) throw new Error(`the two sides made different calls: library ${counted}, C++ ${asked}`)
    if (turn === 0) continue // warms the JIT
    here.push(took)
    there.push(its)
  }
  const ratio = median(here.map((took, i) => took / there[i]))
  console.log(
    `snapshot, ${what}: library ${ms(median(here))}, C++ ${ms(median(there))}, ${counted} calls each, ${rounds} a turn: ${ratio.toFixed(2)}x`
  )
}

await twin.ask('1') // its init is over before anything is counted
console.log(`node ${process.version}, ${TURNS} turns, medians`)
await compare('no delay', 100)
node.inject({ busyMicroseconds: 5 })
await compare('5 us a call', 30)

await twin.end()
await nvml.close()
await node.close()
