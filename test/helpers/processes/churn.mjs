// A client process: random creates and destroys on GPU 0 of the node it is given, with the built
// package. Says how far it has come, every ten steps.
import { open } from 'nvml-mig'

const [library, count, seed] = process.argv.slice(2)
let state = Number(seed) >>> 0
const random = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state % below
}

const nvml = await open({ library })
const gpu = nvml.gpu(0)
const names = (await gpu.profiles()).map(({ name }) => name)
const refusals = new Set(['INSUFFICIENT_RESOURCES', 'NOT_FOUND', 'IN_USE', 'INSTANCE_REPLACED', 'INVALID_ARGUMENT'])
for (let i = 0; i < Number(count); i++) {
  try {
    const live = random(2) ? [] : await gpu.instances()
    const victim = live[random(Math.max(1, live.length))]
    if (victim) await victim.destroy({ force: true })
    else await gpu.create(names[random(names.length)])
  } catch (error) {
    if (!refusals.has(error.code)) throw error
  }
  if (i % 10 === 0) process.stdout.write(`${i}\n`)
}
await nvml.close()
