/** A MIG device: what it says of itself, and its end. */
import t from 'tap'
import { type MigDevice, open } from '../lib/index.js'
import { openNode } from './helpers/node.js'
import { refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

t.test('fields', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const mig = await gpu.create('3g.20gb', { start: 4 })
  t.match(mig, {
    index: 0,
    gpuInstanceId: 2,
    computeInstanceId: 0,
    uuid: /^MIG-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    name: 'NVIDIA A100-SXM4-40GB MIG 3g.20gb',
    profile: '3g.20gb',
    placement: { start: 4, size: 4 },
    memoryMiB: 19968,
    multiprocessors: 42,
    engines: { copy: 3, decoder: 2, encoder: 0, jpeg: 0, opticalFlow: 0 },
    cudaVisibleDevices: mig.uuid
  })
  t.equal(mig.gpu, gpu)
  t.match(await mig.gpuInstance(), { id: 2, profile: '3g.20gb' })
  t.match(await gpu.create('1g.5gb+me'), { profile: '1g.5gb+me' }, 'also what NVML leaves out of the name')
  // @ts-expect-error it is as it was read
  const rename = () => (mig.uuid = 'MIG-x')
  t.ok(rename)
})

t.test('a part of a GPU instance', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const ci = await gi.createComputeInstance('2c.3g.20gb')
  t.match(await ci.device(), {
    profile: '2c.3g.20gb',
    name: 'NVIDIA A100-SXM4-40GB MIG 2c.3g.20gb',
    multiprocessors: 28,
    memoryMiB: 19968,
    placement: { start: 0, size: 4 }
  })
})

t.test('the UUID comes back with the place', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const first = await gpu.create('1g.5gb', { start: 3 })
  await first.destroy()
  t.not((await gpu.create('1g.5gb', { start: 4 })).uuid, first.uuid)
  t.equal((await gpu.create('1g.5gb', { start: 3 })).uuid, first.uuid)
})

t.test('destroy takes the GPU instance with it when it was the last', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const gi = await gpu.createGpuInstance('3g.20gb', { start: 0 })
  await gi.createComputeInstance('1c.3g.20gb')
  await gi.createComputeInstance('1c.3g.20gb')
  const [first, second] = await gpu.devices()
  await first!.destroy()
  t.match(await gpu.instances(), [{ id: gi.id }], 'another is left in it')
  await second!.destroy()
  t.same(await gpu.instances(), [])
})

t.test('a destroyed and a replaced device', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gpu = at.nvml.gpu(0)
  const mig = await gpu.create('3g.20gb', { start: 0 })
  await mig.destroy()
  const gone = { name: 'NvmlError', code: 'NOT_FOUND', gpu: 0 }
  await refuses(t, at, () => mig.destroy(), { ...gone, message: /cannot destroy MIG device 1\/0 on GPU 0: it does not exist/ })
  await refuses(t, at, () => mig.gpuInstance(), { ...gone, message: /cannot find GPU instance 1 on GPU 0/ })

  const other = await open({ library: at.node.library })
  t.teardown(() => other.close())
  await other.gpu(0).create('4g.20gb')
  await refuses(t, at, () => mig.destroy(), {
    name: 'SessionError',
    code: 'INSTANCE_REPLACED',
    message: /cannot destroy MIG device 1\/0 on GPU 0: under that id there is another instance now/
  })
})

t.test('await using', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  {
    await using mig = await gpu.create('1g.5gb')
    t.equal((await gpu.devices()).length, 1)
    t.ok(mig)
  }
  t.same(await gpu.instances(), [])

  let kept: MigDevice
  {
    await using mig = await gpu.create('3g.20gb', { start: 0 })
    await mig.destroy()
    kept = mig
  }
  await gpu.create('4g.20gb')
  await kept[Symbol.asyncDispose]()
  t.match(await gpu.devices(), [{ profile: '4g.20gb' }], 'what took its place is not ours to destroy')

  const busy = await gpu.create('1g.5gb')
  const { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } = busy
  using _client = node.startClient({ gpu: 0, gpuInstance, computeInstance })
  await t.rejects(busy[Symbol.asyncDispose](), { code: 'IN_USE' }, 'what stays is told')
})
