/**
 * Operators' stories around the MIG mode, told to the library, with the answers that mig-behaviour records
 * and NVML documents (docs/simulator.md names the source of each rule).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { startHolder } from '../helpers/holder.js'
import { openNode } from '../helpers/node.js'

t.test('MIG is enabled on a busy A100: it stays pending until the client is gone and the GPU was reset', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] })
  const gpu = nvml.gpu(0)
  const training = node.startClient({ gpu: 0, name: 'python train.py', memoryMiB: 20_000 })

  t.same(await gpu.setMigMode(true), { current: false, pending: true, activation: 'in-use', status: 19 })
  await t.rejects(gpu.createGpuInstance('1g.5gb'), { code: 'NOT_SUPPORTED' }, 'MIG is not on yet')
  t.throws(() => node.reset(0), { code: 'IN_USE', message: new RegExp(`pid ${training.pid}\\b`) }, 'a used GPU is not reset')

  training.stop()
  t.same(await gpu.migMode(), { current: false, pending: true }, 'the end of the client alone changes nothing')
  node.reset(0)
  t.same(await gpu.migMode(), { current: true, pending: true })
  t.ok(await gpu.create('1g.5gb'))
})

t.test('a pending mode is taken back', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] })
  node.startClient({ gpu: 0 })
  t.match(await nvml.gpu(0).setMigMode(true), { pending: true, activation: 'in-use' })
  t.match(await nvml.gpu(0).setMigMode(false), { current: false, pending: false, activation: 'done' })
})

t.test('an agent that has NVML open keeps an A100 from changing its mode, and no H100', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'] })
  const { holder } = await startHolder(t, node)
  t.match(await nvml.gpu(0).setMigMode(true), { current: false, pending: true, activation: 'in-use' })
  t.match(await nvml.gpu(1).setMigMode(true), { current: true, activation: 'done' })
  t.equal(await holder.end(), 0)
  t.match(await nvml.gpu(0).setMigMode(true), { current: true, activation: 'done' }, 'asked again without the agent, it is done')
})

t.test('the same where such processes are not counted', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], countProcesses: false })
  await startHolder(t, node)
  t.match(await nvml.gpu(0).setMigMode(true), { current: true, activation: 'done' })
})

t.test('an agent is killed while it holds the GPU', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] })
  const gpu = nvml.gpu(0)
  const { holder } = await startHolder(t, node)
  node.startClient({ gpu: 0, pid: holder.pid, name: 'agent', memoryMiB: 100 })
  t.match(await gpu.setMigMode(true), { activation: 'in-use' })
  t.throws(() => node.reset(0), { code: 'IN_USE' })
  t.equal(await holder.end('SIGKILL'), 'SIGKILL')
  node.reset(0)
  t.same(await gpu.migMode(), { current: true, pending: true }, 'what it held is free at once')
  t.ok(await gpu.create('7g.40gb'))
})

t.test('a workload dies in its MIG device, which can be destroyed then', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const mig = await nvml.gpu(0).create('3g.20gb')
  const workload = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
  t.teardown(() => void workload.kill('SIGKILL'))
  await once(workload, 'spawn')
  const { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } = mig
  node.startClient({ gpu: 0, gpuInstance, computeInstance, pid: workload.pid!, memoryMiB: 512 })
  await t.rejects(mig.destroy(), { code: 'IN_USE', call: 'nvmlComputeInstanceDestroy' })
  workload.kill('SIGKILL')
  await once(workload, 'exit')
  await mig.destroy()
  t.same(await nvml.gpu(0).instances(), [])
})

t.test('MIG is enabled on an H100 with clients: it is on at once, and the first instance is refused', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] })
  const gpu = nvml.gpu(0)
  const desktop = node.startClient({ gpu: 0, name: 'Xorg', kind: 'graphics', memoryMiB: 60 })
  t.same(await gpu.setMigMode(true), { current: true, pending: true, activation: 'done', status: 0 })
  await t.rejects(gpu.createGpuInstance('1g.10gb'), { code: 'IN_USE', call: 'nvmlDeviceCreateGpuInstance' })
  desktop.stop()
  t.ok(await gpu.createGpuInstance('1g.10gb'))
})

t.test('a virtual machine has an A100 passed through: a reset is owed, and only a restart gives it', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], platform: 'passthrough' })
  const gpu = nvml.gpu(0)
  t.same(await gpu.setMigMode(true), { current: false, pending: true, activation: 'reset-required', status: 16 })
  t.throws(() => node.reset(0), { code: 'NOT_SUPPORTED', message: /reboot/ })
  t.same(await gpu.migMode(), { current: false, pending: true })
  node.reboot()
  t.same(await gpu.migMode(), { current: true, pending: true })
})

t.test('MIG is disabled while there are instances, and while somebody uses the GPU', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'] }, { mig: true })
  for (const gpu of nvml.gpus) {
    const [smallest] = await gpu.profiles()
    const mig = await gpu.create(smallest!.name)
    await t.rejects(gpu.setMigMode(false), { code: 'IN_USE', status: 19 }, `${gpu.name}, a MIG device`)
    t.same(await gpu.migMode(), { current: true, pending: true }, 'and nothing is pending')
    await mig.destroy()
    const empty = await gpu.createGpuInstance(smallest!.name)
    await t.rejects(gpu.setMigMode(false), { code: 'IN_USE' }, `${gpu.name}, a GPU instance without compute instance`)
    await empty.destroy()
    const agent = node.startClient({ gpu: gpu.index })
    await t.rejects(gpu.setMigMode(false), { code: 'IN_USE' }, `${gpu.name}, a client`)
    agent.stop()
    t.match(await gpu.setMigMode(false), { current: false, pending: false, activation: 'done' })
  }
})

t.test('what outlives a reset, a driver reload and a restart', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'] })
  const modes = async () => Promise.all(nvml.gpus.map(async gpu => (await gpu.migMode()).current))
  const lay = async () => {
    for (const gpu of nvml.gpus) await gpu.setMigMode(true)
    for (const gpu of nvml.gpus) await gpu.create((await gpu.profiles())[0]!.name)
  }
  const left = async () => (await Promise.all(nvml.gpus.map(gpu => gpu.instances()))).flat().length

  await lay()
  node.reset(0)
  node.reset(1)
  t.equal(await left(), 0, 'no instance survives a reset')
  t.same(await modes(), [true, true], 'the mode does')

  await lay()
  node.reloadDriver()
  t.equal(await left(), 0)
  t.same(await modes(), [true, false], 'a Hopper forgets its mode with the driver, an Ampere has it in its infoROM')

  await lay()
  node.reboot()
  t.equal(await left(), 0)
  t.same(await modes(), [true, false])
})
