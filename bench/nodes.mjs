// What does a simulated node cost: how long is it to make one, how much memory does the process hold that
// opens it, and what is left of 1,000 that were made, opened and closed in one process?
//
// Nothing should be: no descriptor, no mapping, no directory. Resident memory moves with V8's heap, whose
// young half doubles once or twice in a process's life, so what is not V8's is told apart.
//   node --expose-gc bench/nodes.mjs
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { open } from 'nvml-mig'
import { simulate } from 'nvml-mig/simulator'
import { median } from './native.mjs'

const SIZES = [1, 8, 16]
const TURNS = 15
const OPEN_AT_ONCE = 100
const NODES = 1000
const WARM_UP = 100
const LOOK_EVERY = 300

const folder = mkdtempSync(join(tmpdir(), 'nvml-mig-bench-nodes-'))
process.env.TMPDIR = folder
const kib = bytes => `${(bytes / 1024).toFixed(0)} KiB`
const request = gpus => ({ gpus: [`A100-SXM4-40GB*${gpus}`] })

/** Bytes that this process has resident, and those of them beside V8's heap, after collections. */
async function resident() {
  // Buffers are freed by other threads after the collection that found them dead.
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await setImmediate()
  }
  const { rss, heapTotal } = process.memoryUsage()
  return { rss, beside: rss - heapTotal }
}

/** Bytes mapped of the files in `folder`, by their names there. */
function mapped() {
  const bytes = {}
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const [, from, to, path] = /^(\w+)-(\w+) .* (\/.*)$/.exec(line) ?? []
    if (!path?.startsWith(folder)) continue
    const name = path.slice(path.lastIndexOf('/') + 1)
    bytes[name] = (bytes[name] ?? 0) + Number.parseInt(to, 16) - Number.parseInt(from, 16)
  }
  return bytes
}

async function opened(gpus) {
  const node = await simulate(request(gpus))
  const nvml = await open({ library: node.library, root: node.root })
  return {
    nvml,
    close: async () => {
      await nvml.close()
      await node.close()
    }
  }
}

const times = Object.fromEntries(SIZES.map(gpus => [gpus, { make: [], open: [], close: [] }]))
for (let turn = 0; turn <= TURNS; turn++) {
  for (const gpus of SIZES) {
    const at = [performance.now()]
    const node = await simulate(request(gpus))
    at.push(performance.now())
    const nvml = await open({ library: node.library, root: node.root })
    at.push(performance.now())
    await nvml.close()
    await node.close()
    at.push(performance.now())
    if (turn === 0) continue // warms the JIT
    for (const [i, what] of ['make', 'open', 'close'].entries()) times[gpus][what].push(at[i + 1] - at[i])
  }
}
console.log(`node ${process.version}, medians of ${TURNS} turns`)
for (const gpus of SIZES) {
  const [make, opening, close] = ['make', 'open', 'close'].map(what => median(times[gpus][what]).toFixed(1))
  console.log(`  ${gpus} GPUs: ${make} ms to make, ${opening} ms to open, ${close} ms to close both`)
}

console.log(`memory per node, ${OPEN_AT_ONCE} of them open`)
for (const gpus of SIZES) {
  const before = await resident()
  const nodes = []
  for (let i = 0; i < OPEN_AT_ONCE; i++) nodes.push(await opened(gpus))
  const after = await resident()
  const each = Object.entries(mapped()).map(([name, bytes]) => `${kib(bytes / OPEN_AT_ONCE)} of ${name} mapped`)
  console.log(`  ${gpus} GPUs: ${kib((after.beside - before.beside) / OPEN_AT_ONCE)} resident, ${each.join(', ')}`)
  for (const { close } of nodes) await close()
}

/** Everything that a node could leave behind. */
async function left() {
  const maps = readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n')
  return {
    ...(await resident()),
    descriptors: readdirSync('/proc/self/fd').length,
    files: maps.filter(line => line.includes('/')).length,
    directories: readdirSync(folder).length
  }
}
const shown = ({ rss, beside, descriptors, files, directories }) =>
  `${kib(rss)} resident, ${kib(beside)} of it beside V8's heap, ${descriptors} descriptors, ${files} files mapped, ${directories} directories`

console.log(`${NODES} nodes of 8 GPUs one after the other, each made, opened, partitioned and closed`)
const seen = []
for (let i = 1; i <= NODES; i++) {
  const { nvml, close } = await opened(8)
  await nvml.gpu(0).setMigMode(true)
  await nvml.gpu(0).create('3g.20gb')
  await close()
  if (i % LOOK_EVERY !== WARM_UP) continue
  seen.push(await left())
  console.log(`  after ${i}: ${shown(seen.at(-1))}`)
}
const grown = Object.fromEntries(Object.entries(seen.at(-1)).map(([what, now]) => [what, now - seen[0][what]]))
console.log(`  in the last ${NODES - WARM_UP}: ${shown(grown)}`)
rmSync(folder, { recursive: true })
