/** Several processes on one node: what one does the others see, and none can leave it broken. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { open } from '../lib/index.js'
import { openNode } from './helpers/node.js'

const FULL = process.env.NVML_MIG_TEST_FULL === '1'
const KILLS = FULL ? 1000 : 100
const CHURN = fileURLToPath(new URL('./helpers/processes/churn.ts', import.meta.url))

function churn(library: string, count: number, seed: number) {
  const child = spawn(process.execPath, [...process.execArgv, CHURN, library, String(count), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return { child, lines: createInterface({ input: child.stdout }) }
}

t.test('two processes see each other’s instances', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const { child } = churn(node.library, 1, 7)
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  const [made] = await nvml.gpu(0).devices()
  t.ok(made, 'what the other process created is listed here')
  await made?.destroy()
  const second = await open({ library: node.library })
  t.same(await second.gpu(0).instances(), [])
  await second.close()
})

t.test(`a client killed in the middle of 1,000 random creates and destroys, ${KILLS} times`, async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  let progress = 0
  for (let i = 0; i < KILLS; i++) {
    const { child, lines } = churn(node.library, 1000, i)
    const exited = once(child, 'exit')
    // Killed as soon as it has told of a step drawn from the seed, so at any point of its work.
    const stop = (i * 37) % 200
    for await (const line of lines) {
      if (/^\d+$/.test(line) && Number(line) >= stop) {
        progress += Number(line)
        child.kill('SIGKILL')
        break
      }
    }
    const [, signal] = await exited
    t.equal(signal, 'SIGKILL')
    t.equal(node.check(), undefined, 'the state obeys the rules')
    const live = await gpu.instances()
    const used = live.flatMap(({ placement }) => Array.from({ length: placement.size }, (_, slice) => placement.start + slice))
    t.equal(new Set(used).size, used.length, 'no memory slice has two owners')
  }
  t.comment(`${KILLS} kills after ${progress} steps`)
  for (const instance of await gpu.instances()) await instance.destroy({ force: true })
  t.ok(await gpu.create('7g.40gb'), 'the node still works')
})
