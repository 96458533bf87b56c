/** A compute instance: the MIG device it is, and its end. */
import t from 'tap'
import { open } from '../lib/index.js'
import { openNode } from './helpers/node.js'
import { refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

t.test('its MIG device', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const first = await gi.createComputeInstance('1c.3g.20gb')
  const second = await gi.createComputeInstance('1c.3g.20gb')
  const device = await second.device()
  t.match(device, { index: 1, gpuInstanceId: gi.id, computeInstanceId: second.id, profile: '1c.3g.20gb', multiprocessors: 14 })
  t.not((await first.device()).uuid, device.uuid)
  t.match(await nvml.find(device.uuid), { computeInstanceId: second.id })
})

t.test('destroy', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const ci = await gi.createComputeInstance()
  const client = at.node.startClient({ gpu: 0, gpuInstance: gi.id, computeInstance: ci.id })
  await refuses(
    t,
    at,
    () => ci.destroy(),
    {
      name: 'NvmlError',
      code: 'IN_USE',
      call: 'nvmlComputeInstanceDestroy',
      message: 'nvmlComputeInstanceDestroy: cannot destroy compute instance 0 of GPU instance 1 on GPU 0: it is in use (IN_USE)',
      hint: /End the processes that run on its MIG device/
    },
    { asked: true }
  )
  client.stop()
  await ci.destroy()
  t.same(await gi.computeInstances(), [])
  t.equal((await at.nvml.gpu(0).instances()).length, 1, 'its GPU instance stays')

  const gone = {
    name: 'NvmlError',
    code: 'NOT_FOUND',
    gpu: 0,
    message: /compute instance 0 of GPU instance 1 on GPU 0: it does not exist/
  }
  await refuses(t, at, () => ci.destroy(), gone)
  await refuses(t, at, () => ci.device(), gone)
})

t.test('replaced', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const ci = await gi.createComputeInstance('1c.3g.20gb')
  const other = await open({ library: at.node.library })
  t.teardown(() => other.close())
  const [theirs] = await other.gpu(0).instances()
  for (const each of (await theirs?.computeInstances()) ?? []) await each.destroy()
  await theirs?.createComputeInstance('2c.3g.20gb')
  await refuses(t, at, () => ci.destroy(), {
    name: 'SessionError',
    code: 'INSTANCE_REPLACED',
    message: /cannot destroy compute instance 0 of GPU instance 1 on GPU 0: under that id there is another instance now/
  })
})
