/** How often a function was called on a node: by all processes, whatever became of them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { open } from '../../lib/index.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

const A100: SimulateOptions = { gpus: ['A100-SXM4-40GB'] }
const INIT = 'nvmlInit_v2'
const SHUTDOWN = 'nvmlShutdown'
const MODE = 'nvmlDeviceGetMigMode'
const SET_MODE = 'nvmlDeviceSetMigMode'

/** A process that has a session and sets a mode once it is told to. */
function changer(node: SimulatedNode): ChildProcess {
  return fork(fileURLToPath(new URL('../helpers/processes/change-mode.mjs', import.meta.url)), [node.library], { execArgv: [] })
}

t.test('the calls of two other processes and of this one', async t => {
  const { node, nvml } = await openNode(t, A100)
  t.equal(node.calls(INIT), 1)
  await nvml.gpu(0).setMigMode(true)
  const others = [changer(node), changer(node)]
  await Promise.all(others.map(child => once(child, 'message')))
  t.equal(node.calls(INIT), 3)
  t.equal(node.calls(SET_MODE), 1)
  for (const child of others) child.send('go')
  t.same(await Promise.all(others.map(child => once(child, 'exit'))), Array(2).fill([0, null]))
  t.equal(node.calls(SET_MODE), 3)
  t.equal(node.calls(SHUTDOWN), 2)
  await nvml.close()
  t.equal(node.calls(SHUTDOWN), 3, 'also with no session open')
})

t.test('a process that is killed has called', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  using inCall = node.inject({ call: SET_MODE, kills: true })
  const child = changer(node)
  await once(child, 'message')
  child.send('go')
  t.same(await once(child, 'exit'), [null, 'SIGKILL'])
  t.equal(node.calls(SET_MODE), 1)
  inCall.remove()

  node.inject({ call: INIT, kills: true })
  t.same(await once(changer(node), 'exit'), [null, 'SIGKILL'])
  t.equal(node.calls(INIT), 2, 'also before NVML was initialised')
})

t.test('what is counted outlasts sessions, resets, reboots and whoever made the node', async t => {
  const request = { ...A100, dir: join(t.testdir(), 'node') }
  const node = await simulate(request)
  t.equal(node.calls(INIT), 0, 'making a node calls nothing')
  for (const around of [() => {}, () => node.reset(0), () => node.reloadDriver(), () => node.reboot()]) {
    await (await open({ library: node.library })).close()
    around()
  }
  t.equal(node.calls(INIT), 4)
  node.inject({ call: INIT, returns: 'NO_PERMISSION' })
  await t.rejects(open({ library: node.library }), { code: 'NO_PERMISSION' })
  await node.close()
  await using again = await simulate(request)
  t.equal(again.calls(INIT), 5)
})

t.test('what is counted outlasts a driver upgrade', async t => {
  const { node, nvml } = await openNode(t, { ...A100, driver: '535' })
  const before = node.calls(MODE)
  await nvml.gpu(0).migMode()
  node.upgradeDriver('550')
  await nvml.gpu(0).migMode()
  node.reloadDriver()
  t.equal(node.calls(MODE), before + 2)
  const handles = node.calls('nvmlDeviceGetHandleByUUID')
  await t.rejects(nvml.gpu(0).migMode(), { code: 'LIB_RM_VERSION_MISMATCH' })
  const refused = node.calls('nvmlDeviceGetHandleByUUID') + node.calls(MODE) - handles - before - 2
  t.ok(refused > 0, 'what the new module refuses is counted, too')
  await nvml.close()
  t.equal(node.calls(SHUTDOWN), 1)
  await using after = await open({ library: node.library })
  t.equal(after.info.driverVersion, '550.163.01')
  t.equal(node.calls(INIT), 2)
})
