// Does a driver that takes its time hold anything up but the session that waits for it?
//
// The delay of the event loop (perf_hooks, percentile 99.9) and what fs and dns take on libuv's pool: idle, and
// while one session's create is delayed by 2 s and another session's call hangs. Five runs of each in turns within
// this process; what is compared are the medians.
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { open } from 'nvml-mig'
import { simulate } from 'nvml-mig/simulator'
import { median } from './native.mjs'

const RUNS = 5
const MILLISECONDS = 2_000
const own = new URL(import.meta.url)

const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
const slow = await open({ library: node.library })
await slow.gpu(0).setMigMode(true)
const stuck = await open({ library: node.library })
node.inject({ call: 'nvmlDeviceCreateGpuInstance', delayMs: MILLISECONDS })

/** What the event loop and the pool do for so long. */
async function watch() {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const pool = []
  delay.enable()
  for (const end = performance.now() + MILLISECONDS; performance.now() < end; ) {
    const start = performance.now()
    await Promise.all([readFile(own), lookup('localhost')])
    pool.push(performance.now() - start)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  delay.disable()
  return { loop: delay.percentile(99.9) / 1e6, pool: median(pool) }
}

const idle = []
const busy = []
for (let run = 0; run < RUNS; run++) {
  idle.push(await watch())
  const hang = node.inject({ call: 'nvmlDeviceGetMigMode', hangs: true })
  const hanging = stuck.gpu(0).migMode()
  const created = slow.gpu(0).create('1g.5gb')
  busy.push(await watch())
  hang.remove()
  await Promise.all([hanging, created])
}
const of = (list, what) => median(list.map(each => each[what]))
const line = (what, unit) =>
  `idle ${of(idle, what).toFixed(2)} ${unit}, beside a delayed create and a hanging call ${of(busy, what).toFixed(2)} ${unit}: ` +
  `${(of(busy, what) - of(idle, what)).toFixed(2)} ${unit} more`
console.log(`node ${process.version}, ${RUNS} runs of ${MILLISECONDS} ms each way, medians`)
console.log(`event loop delay, percentile 99.9: ${line('loop', 'ms')}`)
console.log(`fs and dns on libuv's pool:        ${line('pool', 'ms')}`)
await slow.close()
await stuck.close()
await node.close()
