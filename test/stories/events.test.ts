/** Operators' stories around events, which a monitoring agent of somebody else's waits for. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import type { SimulatedNode } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { Programs } from '../image/programs.js'

const XID = 8
const MIG_CONFIG_CHANGE = 0x100
/** An id of an instance that the event does not name. */
const NONE = 0xffffffff

t.setTimeout(5 * 60_000)
const programs = await Programs.begin(t)
await programs.build(['plain/event_listener'])

/** An agent that listens: each call is the next event that it hears; `end` its exit code. */
async function agent(t: Test, node: SimulatedNode) {
  const child = spawn(programs.path('plain/event_listener'), [node.library], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const says = async (): Promise<unknown> => JSON.parse(((await once(lines, 'line')) as [string])[0])
  t.equal(await says(), 'listening')
  const hears = async () => {
    const said = says()
    child.stdin.write('\n')
    return await said
  }
  const end = async () => {
    child.stdin.end()
    return ((await once(child, 'exit')) as [number])[0]
  }
  return { hears, end }
}

t.test('an Xid strikes an instance that is destroyed before anybody reads it', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const mig = await gpu.create('3g.20gb')
  const ids = { gpuInstanceId: mig.gpuInstanceId, computeInstanceId: mig.computeInstanceId }
  const { hears, end } = await agent(t, node)

  node.raiseEvent({ kind: 'xid', gpu: 0, xid: 43, gpuInstance: mig.gpuInstanceId, computeInstance: mig.computeInstanceId })
  await mig.destroy()
  t.same(await gpu.devices(), [], 'it is gone')

  t.same(await hears(), { type: XID, data: 43, ...ids }, 'the Xid still names it')
  const change = { type: MIG_CONFIG_CHANGE, data: 0, gpuInstanceId: NONE, computeInstanceId: NONE }
  t.same(await hears(), change, 'its compute instance went')
  t.same(await hears(), change, 'and then its GPU instance')
  t.throws(
    () => node.raiseEvent({ kind: 'xid', gpu: 0, xid: 43, gpuInstance: mig.gpuInstanceId }),
    { code: 'NOT_FOUND' },
    'none strikes what is not there'
  )
  t.equal(await end(), 0)
})

t.test('the number of a destroyed instance is given again, and an Xid of the first one is still to be read', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const first = await gpu.create('1g.5gb')
  const { hears, end } = await agent(t, node)
  node.raiseEvent({ kind: 'xid', gpu: 0, xid: 13, gpuInstance: first.gpuInstanceId })
  await first.destroy()
  const second = await gpu.create('1g.5gb')
  t.equal(second.gpuInstanceId, first.gpuInstanceId)

  const types = []
  t.match(await hears(), { type: XID, data: 13, gpuInstanceId: first.gpuInstanceId, computeInstanceId: NONE })
  for (let i = 0; i < 4; i++) types.push(((await hears()) as { type: number }).type)
  t.same(types, Array(4).fill(MIG_CONFIG_CHANGE), 'the order says whose it was: it came before the layout changed')
  t.equal(await end(), 0)
})
