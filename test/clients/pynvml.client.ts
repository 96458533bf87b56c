/**
 * pynvml, NVIDIA's own Python bindings, on nodes of every driver release whose library was read:
 * the life of MIG instances with a second process looking on, and processes inside an instance.
 */
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type SimulatedNode, simulate } from '../../lib/simulator/index.js'
import { isHere, output, python } from './clients.js'

const program = (name: string): string => fileURLToPath(new URL(`pynvml/${name}.py`, import.meta.url))

async function runs(t: Test, node: SimulatedNode, name: string, ...args: string[]): Promise<void> {
  const env = { ...process.env, ...python, LD_LIBRARY_PATH: node.dir }
  await t.spawn('python3', [program(name), ...args], { env }, [name, ...args].join(' '))
  node.check()
}

/** The onlooker would keep a change of MIG mode pending; what is held here is that MIG goes on at once. */
async function nodeOf(t: Test, driver: string): Promise<SimulatedNode> {
  const node = await simulate({ gpus: ['A100-SXM4-40GB*2'], driver, countProcesses: false })
  t.teardown(() => node.close())
  return node
}

const askVersion = 'import pynvml, importlib.metadata; print(importlib.metadata.version("nvidia-ml-py"))'
const version = await output('python3', ['-c', askVersion], python)

if (isHere(t, 'pynvml (python3-pynvml)', version)) {
  for (const driver of ['450', '460', '470', '525', '535', '550']) {
    t.test(`the life of MIG instances under driver ${driver}`, async t => runs(t, await nodeOf(t, driver), 'lifecycle'))
  }

  for (const driver of ['525', '535', '550']) {
    t.test(`processes in an instance under driver ${driver}`, async t => {
      const node = await nodeOf(t, driver)
      await runs(t, node, 'processes', 'create')
      const pid = 2 ** 22 + 4242 // of no real process
      const memoryMiB = 1024
      // The first 3g.20gb lies in the upper half, which is GPU instance 2.
      const client = node.startClient({ gpu: 0, gpuInstance: 2, computeInstance: 1, pid, memoryMiB })
      await runs(t, node, 'processes', 'running', `${pid}`, `${memoryMiB}`)
      client.stop()
      await runs(t, node, 'processes', 'gone')
    })
  }
}
