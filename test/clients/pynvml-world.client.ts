/** pynvml and this library on one node, while things happen around its GPU: both see the same world. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Gpu } from '../../lib/index.js'
import type { SimulatedNode } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { isHere, output, python } from './clients.js'

const PROGRAM = fileURLToPath(new URL('pynvml/world.py', import.meta.url))
const NONE = 0xffffffff
const MIG_CONFIG_CHANGE = 0x100
const XID = 8

/** A pynvml process; `ask` sends it one line. */
class Pynvml {
  readonly #process
  readonly #lines: Interface

  constructor(t: Test, node: SimulatedNode) {
    const env = { ...process.env, ...python, LD_LIBRARY_PATH: node.dir }
    this.#process = spawn('python3', [PROGRAM], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#process.stdout! })
    t.teardown(() => void this.#process.kill('SIGKILL'))
  }

  async ask<T = unknown>(line: string): Promise<T> {
    const said = once(this.#lines, 'line') as Promise<[string]>
    this.#process.stdin!.write(`${line}\n`)
    return JSON.parse((await said)[0]) as T
  }

  async end(): Promise<unknown> {
    const exit = once(this.#process, 'exit')
    this.#process.stdin!.end()
    return (await exit)[0]
  }
}

/** What this library sees of what `look` tells, in the same form; an error by its code. */
async function seen(gpu: Gpu) {
  const answer = async <T>(ask: Promise<T>): Promise<T | { error: number }> =>
    ask.catch((error: { status: number }) => ({ error: error.status }))
  const mode = await answer(gpu.migMode())
  return {
    mode: 'error' in mode ? mode : [Number(mode.current), Number(mode.pending)],
    instances: await answer(gpu.instances().then(list => list.map(({ id }) => id).sort((a, b) => a - b))),
    devices: await answer(gpu.devices().then(list => list.map(({ uuid }) => uuid)))
  }
}

const askVersion = 'import pynvml, importlib.metadata; print(importlib.metadata.version("nvidia-ml-py"))'

if (isHere(t, 'pynvml (python3-pynvml)', await output('python3', ['-c', askVersion], python))) {
  t.test('a busy A100, from the refused mode change to the first instance', async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], countProcesses: false })
    const gpu = nvml.gpu(0)
    const other = new Pynvml(t, node)
    const same = async (what: string) => {
      const { processes, ...rest } = await other.ask<{ processes: unknown }>('look')
      t.same(rest, await seen(gpu), what)
      return processes
    }
    const training = node.startClient({ gpu: 0, name: 'python train.py', memoryMiB: 20_000 })
    t.same(await same('before'), [[training.pid, 'python train.py', 20_000, NONE, NONE]])
    t.same(await other.ask('mode 1'), [0, 19], 'pending, because it is in use')
    await same('pending')
    training.stop()
    node.reset(0)
    t.same(await same('on'), [])
    t.same(await other.ask('create 19'), 13, 'a 1g.5gb goes to slice 6, which is GPU instance 13')
    await same('an instance of pynvml’s')
    const mig = await gpu.create('3g.20gb')
    const { gpuInstanceId, computeInstanceId } = mig
    const worker = node.startClient({
      gpu: 0,
      gpuInstance: gpuInstanceId,
      computeInstance: computeInstanceId,
      name: 'w',
      memoryMiB: 7
    })
    t.same(await same('a MIG device of ours'), [[worker.pid, 'w', 7, gpuInstanceId, computeInstanceId]])
    t.same(await other.ask('mode 0'), { error: 19 })
    t.ok(
      (await other.ask<unknown[]>('destroy')).some(code => (code as { error?: number } | null)?.error === 19),
      'what is busy stays'
    )
    await same('what is left')
    t.same(
      (await gpu.devices()).map(({ uuid }) => uuid),
      [mig.uuid]
    )
    t.equal(await other.end(), 0)
  })

  t.test('an H100 with a client: on at once, and the first instance refused', async t => {
    const { node } = await openNode(t, { gpus: ['H100-SXM5-80GB'] })
    const other = new Pynvml(t, node)
    node.startClient({ gpu: 0 })
    t.same(await other.ask('mode 1'), [0, 0])
    t.same(await other.ask('create 19'), { error: 19 })
    t.equal(await other.end(), 0)
  })

  t.test('without rights, and with a lost GPU', async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
    const gpu = nvml.gpu(0)
    await gpu.create('1g.5gb')
    const other = new Pynvml(t, node)
    const same = async (what: string) => {
      const { processes, ...rest } = await other.ask<{ processes: unknown }>('look')
      t.same(rest, await seen(gpu), what)
      return processes
    }
    node.setPrivileged(false)
    t.same(await same('without rights'), { error: 4 }, 'the processes of a partitioned GPU need them')
    t.same(await other.ask('create 19'), { error: 4 })
    t.same(await other.ask('mode 0'), { error: 4 })
    node.setPrivileged(true)
    const fault = node.inject({ gpu: 0, lost: true })
    t.same(await same('lost'), { error: 15 })
    t.same(await other.ask('mode 0'), { error: 15 })
    fault.remove()
    t.same(await same('found'), [])
    t.equal(await other.end(), 0)
  })

  t.test('events: what we change, what a GPU suffers', async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
    const gpu = nvml.gpu(0)
    const gi = await gpu.createGpuInstance('3g.20gb')
    const other = new Pynvml(t, node)
    const mask = await other.ask<number>('listen')
    t.equal(mask & (MIG_CONFIG_CHANGE | XID), MIG_CONFIG_CHANGE | XID)
    const ci = await gi.createComputeInstance()
    node.raiseEvent({ gpu: 0, kind: 'xid', xid: 43, gpuInstance: gi.id, computeInstance: ci.id })
    await ci.destroy()
    t.same(await other.ask('event'), [MIG_CONFIG_CHANGE, 0, NONE, NONE], 'created')
    t.same(await other.ask('event'), [XID, 43, gi.id, ci.id], 'an Xid in an instance that is gone by now')
    t.same(await other.ask('event'), [MIG_CONFIG_CHANGE, 0, NONE, NONE], 'destroyed')
    node.raiseEvent({ gpu: 0, kind: 'xid', xid: 79 })
    t.same(await other.ask('event'), [XID, 79, NONE, NONE], 'of the whole GPU')
    t.equal(await other.end(), 0)
  })
}
