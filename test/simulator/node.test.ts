/** A node's life and the world around its GPUs, each through the node's own library. */
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { open } from '../../lib/index.js'
import { Command } from '../../lib/simulator/control.js'
import { type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

t.test('what `h100` is called by NVML is one board, and what people mean by it may be any', async t => {
  await t.rejects(simulate({ gpus: ['h100'] }), {
    message: /^'h100' can be H100-96GB, .*H100-SXM5-80GB.* write more of the name$/
  })
  await t.rejects(simulate({ gpus: ['H20'] }), { message: /^'H20' can be H20-141GB or H20-96GB/ })
  await t.rejects(simulate({ gpus: ['NVIDIA H100'] }), { code: 'UNKNOWN_FIGURES', message: /H100-96GB/ })
})

t.test('the commands are those of native/abi/simulator_control.h', async t => {
  const header = readFileSync(new URL('../../native/abi/simulator_control.h', import.meta.url), 'utf8')
  const [commands] = header.split('enum SimulatorFaultAction') as [string]
  const declared = [...commands.matchAll(/^ {2}kSimulator(\w+) = (\d+),/gm)].map(([, name, value]) => [
    name![0]!.toLowerCase() + name!.slice(1),
    Number(value)
  ])
  t.same(Object.fromEntries(declared), Command)
})

t.test('a node without a place of its own', async t => {
  const node = await simulate({ gpus: ['A30'] })
  t.equal(dirname(node.dir), realpathSync(tmpdir()))
  t.ok(statSync(node.dir).isDirectory())
  node.check()
  const nvml = await open({ library: node.library, root: node.root })
  t.teardown(() => nvml.close())
  const gpu = nvml.gpu(0)
  await node.close()
  await node.close()
  t.notOk(existsSync(node.dir), 'close() removes it')
  t.same(await gpu.migMode(), { current: false, pending: false }, 'who has it open still reads')
  await t.rejects(gpu.setMigMode(true), { name: 'NvmlError' }, 'but changes nothing')

  const closed = {
    name: 'SimulatorError',
    code: 'CLOSED',
    status: undefined,
    message: `the simulated node in ${node.dir} was closed`
  }
  for (const use of [
    () => node.reset(0),
    () => node.reboot(),
    () => node.reloadDriver(),
    () => node.setPrivileged(true),
    () => node.startClient({ gpu: 0 }),
    () => node.calls('nvmlInit_v2'),
    () => node.check()
  ]) {
    t.throws(use, closed)
  }

  let dir: string
  {
    await using other = await simulate({ gpus: ['A30'] })
    dir = other.dir
    t.ok(existsSync(dir))
  }
  t.notOk(existsSync(dir), 'await using closes it')
})

t.test('a node with a place of its own keeps its state', async t => {
  const options: SimulateOptions = { gpus: ['A30'], dir: join(t.testdir(), 'node') }
  const { nvml, node } = await openNode(t, options, { mig: true })
  const made = await nvml.gpu(0).create('2g.12gb')
  await nvml.close()
  await node.close()
  const again = await openNode(t, options)
  t.match(await again.nvml.gpu(0).devices(), [{ uuid: made.uuid, profile: '2g.12gb' }])
})

t.test('reset completes a pending mode change and is refused while something uses the GPU', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] })
  const gpu = nvml.gpu(1)
  const pid = 2 ** 22 + 4711 // of no real process
  const client = node.startClient({ gpu: 1, pid })
  t.match(client, { gpu: 1, pid, gpuInstance: undefined })
  t.match(await gpu.setMigMode(true), { current: false, pending: true, activation: 'in-use' })
  t.throws(() => node.reset(1), {
    name: 'SimulatorError',
    code: 'IN_USE',
    status: 19,
    message: `GPU 1 is in use by pid ${pid}: stop what runs there first.`
  })
  node.reset(0)
  t.same(await gpu.migMode(), { current: false, pending: true })
  client.stop()
  client.stop()
  node.reset(1)
  t.same(await gpu.migMode(), { current: true, pending: true })
  await gpu.create('1g.5gb')
  node.reset(1)
  t.same(await gpu.instances(), [], 'no instance survives a reset')
  t.same(await gpu.migMode(), { current: true, pending: true }, 'the mode does')
  node.check()
})

t.test('in a virtual machine only a reboot completes a mode change', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], platform: 'passthrough' })
  const gpu = nvml.gpu(0)
  t.match(await gpu.setMigMode(true), { current: false, pending: true, activation: 'reset-required' })
  t.throws(() => node.reset(0), { code: 'NOT_SUPPORTED', status: 3 })
  node.reboot()
  t.same(await gpu.migMode(), { current: true, pending: true })
})

t.test('what a reboot and a driver reload leave', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'] }, { mig: true })
  const modes = async () => Promise.all(nvml.gpus.map(async gpu => (await gpu.migMode()).current))
  t.same(await modes(), [true, true])
  const mig = await nvml.gpu(0).create('3g.20gb')
  const client = node.startClient({ gpu: 0, gpuInstance: mig.gpuInstanceId, computeInstance: mig.computeInstanceId })
  t.throws(() => node.reloadDriver(), { code: 'IN_USE', message: new RegExp(`GPU 0 is in use by pid ${client.pid}`) })
  node.reboot()
  t.same(await modes(), [true, false], 'Ampere keeps the mode on the board, Hopper has it from the driver')
  t.same(await nvml.gpu(0).instances(), [])
  client.stop()
  await nvml.gpu(1).setMigMode(true)
  await nvml.gpu(1).create('1g.10gb')
  node.reloadDriver()
  t.same(await modes(), [true, false])
  node.check()
})

t.test('clients hold what they run in', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const mig = await nvml.gpu(0).create('2g.10gb')
  const where = { gpu: 0, gpuInstance: mig.gpuInstanceId, computeInstance: mig.computeInstanceId }
  {
    using client = node.startClient(where)
    t.ok(client.pid > 2 ** 22, 'no real process has such a pid')
    await t.rejects(mig.destroy(), { code: 'IN_USE', call: 'nvmlComputeInstanceDestroy' })
  }
  await mig.destroy()
  t.throws(() => node.startClient(where), {
    name: 'SimulatorError',
    code: 'NOT_FOUND',
    status: 6,
    message: `GPU 0 has no GPU instance ${mig.gpuInstanceId}.`
  })
})

t.test('rights', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], privileged: false })
  const gpu = nvml.gpu(0)
  await t.rejects(gpu.setMigMode(true), { code: 'NO_PERMISSION' })
  node.setPrivileged(true)
  await gpu.setMigMode(true)
  await gpu.create('1g.5gb')
  node.setPrivileged(false)
  await t.rejects(gpu.create('1g.5gb'), { code: 'NO_PERMISSION' })
})

t.test('counted calls', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] })
  const before = node.calls('nvmlDeviceGetMigMode')
  await nvml.gpu(0).migMode()
  t.equal(node.calls('nvmlDeviceGetMigMode'), before + 1)
  t.throws(() => node.calls('nvmlDeviceGetMood'), { name: 'TypeError', message: /nvmlDeviceGetMood/ })
  await nvml.close()
  t.equal(node.calls('nvmlDeviceGetMigMode'), before + 1, 'also with no session open')
})

t.test('wrong arguments change nothing', async t => {
  const node = await simulate({ gpus: ['A30*2'] })
  t.teardown(() => node.close())
  const image = () => readFileSync(join(node.dir, 'node.image')).toString('base64')
  const before = image()
  const cases: [use: () => unknown, name: string, message: string][] = [
    [() => node.reset(2), 'RangeError', 'reset: there is no GPU 2; this node has GPUs 0 to 1'],
    [() => node.reset(-1), 'RangeError', 'reset: gpu is a whole number from 0 on, not -1'],
    // @ts-expect-error not a number
    [() => node.reset('0'), 'TypeError', "reset: gpu is a number, not '0'"],
    // @ts-expect-error nothing
    [() => node.setPrivileged(), 'TypeError', 'setPrivileged takes true or false'],
    // @ts-expect-error not a boolean
    [() => node.setPrivileged(1), 'TypeError', 'setPrivileged: on is true or false, not 1'],
    // @ts-expect-error the options are required
    [() => node.startClient(), 'TypeError', 'startClient: options are an object like { gpu: … }, not undefined'],
    [() => node.startClient({ gpu: 0, pid: 0 }), 'RangeError', 'startClient: pid is a whole number from 1 on, not 0'],
    [
      () => node.startClient({ gpu: 0, computeInstance: 0 }),
      'TypeError',
      'startClient: a computeInstance is one of a gpuInstance, which is missing'
    ],
    // @ts-expect-error no such option
    [() => node.startClient({ gpu: 0, gi: 1 }), 'TypeError', "startClient has no option 'gi'; did you mean 'gpu'?"],
    // @ts-expect-error not a string
    [() => node.calls(1), 'TypeError', "calls: name is a string such as 'nvmlDeviceGetMigMode', not 1"]
  ]
  for (const [use, name, message] of cases) t.throws(use, { name, message })
  t.equal(image(), before)
})

t.test('a damaged node says so', async t => {
  const node = await simulate({ gpus: ['A30'], dir: join(t.testdir(), 'node') })
  t.teardown(() => node.close())
  const image = join(node.dir, 'node.image')
  const bytes = readFileSync(image)
  bytes[100] = bytes[100]! ^ 1
  writeFileSync(image, bytes)
  t.throws(() => node.check(), { name: 'SimulatorError', message: /checksum/ }, 'with the sentence of the library')
  t.same(readdirSync(node.dir).sort(), ['libnvidia-ml.so.1', 'node.image', 'node.json', 'root'])
})

t.test('a node that somebody removed', async t => {
  const node = await simulate({ gpus: ['A30'] })
  rmSync(node.dir, { recursive: true })
  t.throws(() => node.reboot(), {
    name: 'SimulatorError',
    code: 'NOT_A_NODE',
    status: undefined,
    message: new RegExp(`^the simulated node in ${node.dir} is gone: `)
  })
  await node.close()
})
