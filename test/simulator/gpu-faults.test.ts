/** GPUs that are lost or require a reset: the node is asked whether they still do. */
import { join } from 'node:path'
import t from 'tap'
import { type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

const A100: SimulateOptions = { gpus: ['A100-SXM4-40GB'] }

t.test('a GPU that is lost, and one that requires a reset', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] })
  const lost = node.inject({ gpu: 1, lost: true })
  t.match(lost, { gpu: 1, code: 'GPU_IS_LOST' })
  await t.rejects(nvml.gpu(1).migMode(), { code: 'GPU_IS_LOST', gpu: 1 })
  await nvml.gpu(0).migMode()
  t.same(node.faults(), [lost])
  lost.remove()
  await nvml.gpu(1).migMode()
  t.same(node.faults(), [])

  node.inject({ gpu: 1, lost: true })
  const reset = node.inject({ gpu: 1, resetRequired: true })
  lost.remove()
  await t.rejects(nvml.gpu(1).migMode(), { code: 'RESET_REQUIRED' }, 'what ended before cures nothing')
  t.same(node.faults(), [reset], 'the newest trouble is the one a GPU has')
  node.reset(1)
  await nvml.gpu(1).migMode()
  t.same(node.faults(), [])

  node.inject({ gpu: 0, resetRequired: true })
  const other = node.inject({ gpu: 1, lost: true })
  node.reloadDriver()
  await nvml.gpu(0).migMode()
  t.same(node.faults(), [other], 'a driver that is loaded anew begins with GPUs that were reset; a lost one stays lost')
  other.remove()

  node.inject({ gpu: 0, lost: true })
  t.throws(() => node.reset(0))
  t.equal(node.faults().length, 1)
  node.reboot()
  t.same(node.faults(), [])
})

t.test('a GPU that was well again before somebody took the node is well', async t => {
  const request: SimulateOptions = { ...A100, dir: join(t.testdir(), 'node'), faults: [{ gpu: 0, resetRequired: true }] }
  const node = await simulate(request)
  t.match(node.faults(), [{ gpu: 0, code: 'RESET_REQUIRED' }])
  const other = await simulate(request)
  t.match(other.faults(), [{ gpu: 0, code: 'RESET_REQUIRED' }], 'who takes the node sees that it still stands')
  node.reset(0)
  t.same(node.faults(), [])
  t.same(other.faults(), [], 'whoever reset it')
  await node.close()
  await using again = await simulate(request)
  t.same(again.faults(), [])
  await other.close()
})

t.test('two objects of one node do not heal what the other injected', async t => {
  const dir = join(t.testdir(), 'node')
  const { node: a, nvml } = await openNode(t, { ...A100, dir })
  await using b = await simulate({ ...A100, dir })
  const reset = a.inject({ gpu: 0, resetRequired: true })
  const lost = b.inject({ gpu: 0, lost: true })
  t.same(a.faults(), [], 'the newest trouble is the one a GPU has')
  reset.remove()
  await t.rejects(nvml.gpu(0).migMode(), { code: 'GPU_IS_LOST' })
  t.same(b.faults(), [lost])
  lost.remove()
  await nvml.gpu(0).migMode()
})

t.test('what is found to have ended does not stand again when another object injects the same', async t => {
  const dir = join(t.testdir(), 'node')
  const { node: a, nvml } = await openNode(t, { ...A100, dir })
  await using b = await simulate({ ...A100, dir })
  const before = a.inject({ gpu: 0, lost: true })
  b.reboot()
  t.same(a.faults(), [])
  b.inject({ gpu: 0, lost: true })
  t.same(a.faults(), [])
  before.remove()
  await t.rejects(nvml.gpu(0).migMode(), { code: 'GPU_IS_LOST' })
})
