/** Operators' stories around instances: rights, busy instances, GPUs that fail. */
import t from 'tap'
import { open } from '../../lib/index.js'
import { openNode } from '../helpers/node.js'

/** How many of each there are, read with root's rights. */
async function counts(
  node: { setPrivileged(on: boolean): void },
  gpu: { instances(): Promise<unknown[]>; devices(): Promise<unknown[]> }
) {
  node.setPrivileged(true)
  return { instances: (await gpu.instances()).length, devices: (await gpu.devices()).length }
}

t.test('a user without rights lists, creates and destroys', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const mig = await gpu.create('1g.5gb')
  const [instance] = await gpu.instances()
  const denied = { code: 'NO_PERMISSION', status: 4 }

  node.setPrivileged(false)
  await t.rejects(gpu.instances(), denied, 'lists')
  await t.rejects(gpu.createGpuInstance('1g.5gb'), denied, 'creates')
  await t.rejects(instance!.destroy(), denied, 'destroys')
  await t.rejects(gpu.placements('1g.5gb'), denied, 'asks where')
  await t.rejects(gpu.setMigMode(false), { ...denied, hint: /root/ }, 'changes the mode')
  t.match(await gpu.migMode(), { current: true }, 'reads the mode')
  t.match(await gpu.devices(), [{ uuid: mig.uuid, placement: null }], 'sees the MIG devices')
  t.ok((await gpu.profiles()).length > 0, 'and the profiles')

  node.setPrivileged(false, ['mig/monitor'])
  t.equal((await gpu.instances()).length, 1, 'mig/monitor: sees the instances')
  await t.rejects(gpu.createGpuInstance('1g.5gb'), denied, 'and creates none')
  await t.rejects(mig.destroy(), denied, 'and destroys none')

  node.setPrivileged(false, ['mig/config'])
  const second = await gpu.create('2g.10gb')
  await second.destroy()
  await t.rejects(gpu.setMigMode(false), denied, 'mig/config: instances are its, the mode is root’s')
  t.same(await counts(node, gpu), { instances: 1, devices: 1 }, 'what was refused changed nothing')
})

t.test('a GPU instance is destroyed whose compute instance runs a process', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const gi = await gpu.createGpuInstance('3g.20gb')
  const [busy, idle] = [await gi.createComputeInstance('1c.3g.20gb'), await gi.createComputeInstance('1c.3g.20gb')]
  const client = node.startClient({ gpu: 0, gpuInstance: gi.id, computeInstance: busy.id, memoryMiB: 256 })

  await t.rejects(gi.destroy(), { code: 'IN_USE', call: 'nvmlGpuInstanceDestroy' }, 'it has compute instances')
  await t.rejects(busy.destroy(), { code: 'IN_USE', call: 'nvmlComputeInstanceDestroy' }, 'one of which is busy')
  await idle.destroy()
  t.same(
    (await gi.computeInstances()).map(({ id }) => id),
    [busy.id],
    'the idle one goes'
  )
  await t.rejects(gi.destroy({ force: true }), { code: 'IN_USE' }, 'force does not end processes')
  t.same(
    (await gi.computeInstances()).map(({ id }) => id),
    [busy.id],
    'and the busy one is still there'
  )

  client.stop()
  await gi.destroy({ force: true })
  t.same(await gpu.instances(), [])
})

t.test('a process uses a GPU instance that has no compute instance for it', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('1g.5gb')
  const client = node.startClient({ gpu: 0, gpuInstance: gi.id })
  await t.rejects(gi.destroy(), { code: 'IN_USE' })
  client.stop()
  await gi.destroy()
  t.same(await nvml.gpu(0).instances(), [])
})

t.test('a GPU is lost in the middle of a walk', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] }, { mig: true })
  const [lost, other] = [nvml.gpu(0), nvml.gpu(1)]
  const mig = await lost.create('3g.20gb')
  const [instance] = await lost.instances()
  const fault = node.inject({ gpu: 0, lost: true })

  const gone = { code: 'GPU_IS_LOST', status: 15, gpu: 0 }
  await t.rejects(instance!.computeInstances(), gone, 'the walk ends with the code')
  await t.rejects(lost.instances(), gone)
  await t.rejects(lost.devices(), gone)
  await t.rejects(lost.migMode(), gone)
  await t.rejects(lost.create('1g.5gb'), gone)
  await t.rejects(mig.destroy(), gone)
  await t.rejects(lost.setMigMode(false), gone)
  t.ok(await other.create('1g.5gb'), 'the other GPU goes on')

  fault.remove()
  t.match(await lost.devices(), [{ uuid: mig.uuid }], 'taken back, everything is as it was')
})

t.test('a GPU falls off the bus between two calls of one walk', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  for (const name of ['1g.5gb', '2g.10gb', '3g.20gb']) await gpu.create(name)
  const second = node.inject({ call: 'nvmlGpuInstanceGetInfo', nth: 2, hangs: true })
  const walk = gpu.instances()
  while (second.fired === 0) await new Promise(resolve => setImmediate(resolve))
  node.inject({ gpu: 0, lost: true })
  second.release()

  await t.rejects(walk, { code: 'GPU_IS_LOST', call: 'nvmlGpuInstanceGetInfo', gpu: 0 }, 'half a list is no list')
  await t.rejects(gpu.migMode(), { code: 'GPU_IS_LOST' })
  node.reboot()
  await nvml.close()
  await using after = await open({ library: node.library, root: node.root })
  t.match(await after.gpu(0).migMode(), { current: true }, 'a restart brings an A100 back in its mode')
  t.same(await after.gpu(0).instances(), [], 'without its instances')
})

t.test('one call of a walk says that the GPU is lost', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  for (const name of ['1g.5gb', '2g.10gb', '3g.20gb']) await gpu.create(name)
  const fault = node.inject({ call: 'nvmlGpuInstanceGetInfo', nth: 2, returns: 'GPU_IS_LOST' })
  await t.rejects(gpu.instances(), { code: 'GPU_IS_LOST', call: 'nvmlGpuInstanceGetInfo' })
  t.equal(fault.fired, 1)
  t.equal((await gpu.instances()).length, 3, 'it struck once')
})

t.test('a GPU wants a reset', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  await gpu.create('1g.5gb')
  node.inject({ gpu: 0, resetRequired: true })
  await t.rejects(gpu.instances(), { code: 'RESET_REQUIRED', status: 16, hint: /nvidia-smi -r/ })
  node.reset(0)
  t.same(await gpu.instances(), [], 'which takes the instances with it')
})

t.test('the host of a vGPU cuts its GPU; the guest cannot', async t => {
  const { node, nvml } = await openNode(t, {
    gpus: [{ model: 'A100-SXM4-40GB', mig: true, instances: ['3g.20gb'] }],
    platform: 'vgpu-guest'
  })
  const gpu = nvml.gpu(0)
  const [instance] = await gpu.instances()
  t.match(instance, { profile: '3g.20gb' }, 'it finds what its host gave it')
  await t.rejects(gpu.createGpuInstance('1g.5gb'), { code: 'NOT_SUPPORTED', status: 3 })
  await t.rejects(instance!.destroy({ force: true }), { code: 'NOT_SUPPORTED' })
  await t.rejects(gpu.setMigMode(false), { code: 'NO_PERMISSION', status: 4 })
  t.equal((await gpu.instances()).length, 1)
  node.check()
})
