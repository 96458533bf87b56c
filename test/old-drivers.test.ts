/** What the library makes of drivers that hold back what newer ones tell. */
import t from 'tap'
import { openNode } from './helpers/node.js'
import { refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

// R535's nvidia-smi lists no GPU whose MIG mode is off, R550's does.
t.test('drivers before R550 tell profiles only while MIG is on', async t => {
  for (const driver of ['450', '510', '535']) {
    const { node, nvml } = await openNode(t, { ...A100, driver })
    const gpu = nvml.gpu(0)
    t.ok(gpu.migCapable)
    const refusal = {
      name: 'NvmlError',
      code: 'NOT_SUPPORTED',
      call: 'nvmlDeviceGetGpuInstanceProfileInfo',
      message: 'nvmlDeviceGetGpuInstanceProfileInfo: cannot read the profiles of GPU 0: it is not supported here (NOT_SUPPORTED)',
      hint: /drivers before R550 list profiles only while it is on/
    }
    await t.rejects(gpu.profiles(), refusal)
    for (const call of [() => gpu.placements('3g.20gb'), () => gpu.create('3g.20gb'), () => gpu.createGpuInstance(9)])
      await refuses(t, { node, nvml }, call, refusal)
    t.same([await gpu.instances(), await gpu.devices()], [[], []])
    await gpu.setMigMode(true)
    t.ok((await gpu.profiles()).some(({ name }) => name === '3g.20gb'))
    t.equal((await gpu.placements('3g.20gb')).free.length, 2)
    await gpu.setMigMode(false)
    await t.rejects(gpu.profiles(), refusal, 'asked anew')
  }
})

// a100pcie40-lgip-510 shows 0 in every row of an empty GPU, on which creating then works.
t.test('a driver that counts nothing free on an empty GPU creates all the same', async t => {
  const { nvml } = await openNode(t, { ...A100, driver: '510' }, { mig: true })
  const gpu = nvml.gpu(0)
  const remaining = async () => (await gpu.profiles()).map(profile => profile.remaining)
  t.same(await remaining(), [0, 0, 0, 0, 0, 0])
  t.same((await gpu.placements('3g.20gb')).free, [
    { start: 0, size: 4 },
    { start: 4, size: 4 }
  ])
  const instance = await gpu.createGpuInstance('3g.20gb')
  t.same(await remaining(), [4, 1, 2, 1, 1, 0])
  await instance.destroy()
  t.same(await remaining(), [0, 0, 0, 0, 0, 0])
})
