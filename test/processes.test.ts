/** Several processes on one node: what one does the others see, and none can leave it broken. */
import { once } from 'node:events'
import t from 'tap'
import { open } from '../lib/index.js'
import { churn, killAt } from './helpers/churn.js'
import { openNode } from './helpers/node.js'
import { FULL } from './helpers/run.js'

const KILLS = FULL ? 1000 : 40

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

t.test(
  `a client killed in the middle of 1,000 random creates and destroys, ${KILLS} times`,
  { timeout: FULL ? 1_200_000 : 300_000 },
  async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
    const gpu = nvml.gpu(0)
    let steps = 0
    for (let i = 0; i < KILLS; i += 2) {
      // Two at a time, so that each is also killed while the other waits for it or changes beside it.
      const killed = await Promise.all([i, i + 1].map(seed => killAt(node.library, seed, (seed * 37) % 200)))
      steps += killed.reduce((sum, { step }) => sum + step, 0)
      t.same(
        killed.map(({ signal }) => signal),
        ['SIGKILL', 'SIGKILL']
      )
      t.equal(node.check(), undefined, 'the state obeys the rules')
      const used = (await gpu.instances()).flatMap(({ placement: { start, size } }) =>
        Array.from({ length: size }, (_, slice) => start + slice)
      )
      t.equal(new Set(used).size, used.length, 'no memory slice has two owners')
    }
    t.comment(`${KILLS} kills after ${steps} steps`)
    for (const instance of await gpu.instances()) await instance.destroy({ force: true })
    t.ok(await gpu.create('7g.40gb'), 'the node still works')
  }
)
