/** Processes around a simulated GPU: played ones, real ones that die, and those that only have NVML initialised. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

const HOLD = fileURLToPath(new URL('../helpers/processes/hold.mjs', import.meta.url))
const A100 = { gpus: ['A100-SXM4-40GB'] }
/** A number that Linux gives to no process. */
const NOBODY = 2 ** 22 + 7

/** A process that does nothing until it is killed. */
async function agent(t: Test): Promise<ChildProcess & { pid: number }> {
  const child = spawn('sleep', ['1000'])
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child as ChildProcess & { pid: number }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Another process with a session on the node; ends when told. */
async function watcher(t: Test, library: string): Promise<{ leave(): Promise<void>; child: ChildProcess }> {
  const child = spawn(process.execPath, [HOLD, library], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(createInterface({ input: child.stdout! }), 'line')
  return {
    child,
    async leave() {
      child.stdin!.end()
      await once(child, 'exit')
    }
  }
}

t.test('an agent that holds a busy A100 is killed: what it held is free', async t => {
  const { node, nvml } = await openNode(t, A100)
  const gpu = nvml.gpu(0)
  const child = await agent(t)
  const client = node.startClient({ gpu: 0, pid: child.pid, memoryMiB: 1000, name: 'dcgm-exporter' })
  t.match(client, { pid: child.pid, followed: true, name: 'dcgm-exporter', memoryMiB: 1000 })
  t.match(await gpu.setMigMode(true), { current: false, pending: true, activation: 'in-use' })
  t.throws(() => node.reset(0), { code: 'IN_USE', message: new RegExp(`in use by pid ${child.pid}`) })
  t.throws(() => node.reloadDriver(), { code: 'IN_USE' })
  await kill(child)
  node.reset(0)
  t.same(await gpu.migMode(), { current: true, pending: true })
  client.stop() // it ended before
  node.check()
})

t.test('on Hopper clients do not keep MIG from going on; the first instance meets them', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] })
  const gpu = nvml.gpu(0)
  const child = await agent(t)
  node.startClient({ gpu: 0, pid: child.pid })
  t.match(await gpu.setMigMode(true), { current: true, pending: true, activation: 'done' })
  await t.rejects(gpu.createGpuInstance('1g.10gb'), { code: 'IN_USE' })
  await t.rejects(gpu.setMigMode(false), { code: 'IN_USE' })
  await kill(child)
  await gpu.createGpuInstance('1g.10gb')
})

t.test('a process that runs in an instance keeps it, until it is killed', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const mig = await nvml.gpu(0).create('3g.20gb')
  const place = { gpu: 0, gpuInstance: mig.gpuInstanceId, computeInstance: mig.computeInstanceId }
  const child = await agent(t)
  node.startClient({ ...place, pid: child.pid })
  await t.rejects(mig.destroy(), { code: 'IN_USE' })
  await t.rejects(nvml.gpu(0).setMigMode(false), { code: 'IN_USE' })
  await kill(child)
  await mig.destroy()
  t.same(await nvml.gpu(0).instances(), [])
})

t.test('whether a process is followed', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  const child = await agent(t)
  t.equal(node.startClient({ gpu: 0 }).followed, false, 'one without a pid is played')
  t.equal(node.startClient({ gpu: 0, pid: NOBODY }).followed, false, 'and one that there is not')
  t.equal(node.startClient({ gpu: 0, pid: process.pid }).followed, true, 'this process lives')
  node.startClient({ gpu: 0, pid: process.pid }).stop()
  t.equal(node.startClient({ gpu: 0, pid: child.pid, follow: true }).followed, true)
  t.throws(() => node.startClient({ gpu: 0, pid: NOBODY, follow: true }), {
    name: 'SimulatorError',
    code: 'NOT_FOUND',
    message: `There is no process ${NOBODY} to follow: /proc/${NOBODY} has none that runs.`
  })
  const played = node.startClient({ gpu: 0, pid: child.pid, follow: false })
  t.equal(played.followed, false, 'what is said last holds')
  await kill(child)
  t.throws(() => node.reset(0), { message: new RegExp(`\\b${child.pid}\\b`) }, 'a played one outlives its namesake')
  played.stop()
  t.throws(() => node.reset(0), { message: new RegExp(`pid \\d+, ${NOBODY}: stop`) })
})

t.test('what startClient refuses, by a sentence and before anything is changed', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  const start = (options: object) => () => node.startClient({ gpu: 0, ...options })
  const long = 'ü'.repeat(20)
  const cases: [use: () => unknown, name: string, message: string][] = [
    [start({ follow: true }), 'TypeError', 'startClient: follow is about a process of this machine, whose pid is missing'],
    [start({ follow: 'yes', pid: 1 }), 'TypeError', "startClient: follow is true or false, not 'yes'"],
    [start({ name: '' }), 'RangeError', "startClient: name is empty or has a NUL in it: ''"],
    [start({ name: 7 }), 'TypeError', 'startClient: name is a string, not 7'],
    [start({ name: long }), 'RangeError', `startClient: name has at most 39 bytes in UTF-8; '${long}' has 40`],
    [start({ kind: 'render' }), 'RangeError', "startClient: kind is 'compute', 'graphics' or 'mps', not 'render'"],
    [start({ computeInstance: 0 }), 'TypeError', 'startClient: a computeInstance is one of a gpuInstance, which is missing'],
    [start({ gpu: 1 }), 'RangeError', 'startClient: there is no GPU 1; this node has GPU 0 alone'],
    [start({ gpuInstance: 3 }), 'SimulatorError', 'GPU 0 has no GPU instance 3.']
  ]
  for (const [use, name, message] of cases) t.throws(use, { name, message })
  node.reset(0) // nobody holds it
  t.equal(node.startClient({ gpu: 0, name: 'ü'.repeat(19) }).name, 'ü'.repeat(19))
})

t.test('another process with NVML initialised keeps a change of an A100 pending', async t => {
  const { node, nvml } = await openNode(t, A100)
  const gpu = nvml.gpu(0)
  const first = await watcher(t, node.library)
  t.match(await gpu.setMigMode(true), { current: false, pending: true, activation: 'in-use' })
  const second = await watcher(t, node.library)
  await first.leave()
  t.match(await gpu.setMigMode(true), { activation: 'in-use' }, 'there is another one')
  await kill(second.child)
  t.match(await gpu.setMigMode(true), { current: true, pending: true, activation: 'done' }, 'a killed one is away')
  const third = await watcher(t, node.library)
  await gpu.create('3g.20gb')
  t.equal((await gpu.devices()).length, 1, 'who looks on keeps nobody from creating')
  await third.leave()
})

t.test('an H100 does not wait for others, nor does a node that does not count them', async t => {
  for (const request of [{ gpus: ['H100-SXM5-80GB'] }, { ...A100, countProcesses: false }]) {
    const { node, nvml } = await openNode(t, request)
    const other = await watcher(t, node.library)
    t.match(await nvml.gpu(0).setMigMode(true), { current: true, pending: true, activation: 'done' })
    await other.leave()
  }
})
