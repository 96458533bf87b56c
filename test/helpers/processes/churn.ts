/** A client process: random creates and destroys on GPU 0 of the node it is given, told by its parent when to begin. */
import { open } from '../../../lib/index.js'

const [library, count, seed] = process.argv.slice(2)
let state = Number(seed) >>> 0
const random = (below: number) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state % below
}

const nvml = await open({ library: library as string })
const gpu = nvml.gpu(0)
const names = (await gpu.profiles()).map(({ name }) => name)
process.stdout.write('ready\n')
const refusals = new Set(['INSUFFICIENT_RESOURCES', 'NOT_FOUND', 'IN_USE', 'INSTANCE_REPLACED', 'INVALID_ARGUMENT'])
for (let i = 0; i < Number(count); i++) {
  try {
    const live = random(2) ? [] : await gpu.instances()
    const victim = live[random(Math.max(1, live.length))]
    if (victim) await victim.destroy({ force: true })
    else await gpu.create(names[random(names.length)] as string)
  } catch (error) {
    if (!refusals.has((error as { code?: string }).code ?? '')) throw error
  }
  if (i % 10 === 0) process.stdout.write(`${i}\n`)
}
await nvml.close()
process.stdout.write('done\n')
