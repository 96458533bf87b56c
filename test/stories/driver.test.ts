/** Operators' stories around the driver: it is upgraded while an agent runs. */
import t from 'tap'
import { open } from '../../lib/index.js'
import { startHolder } from '../helpers/holder.js'
import { openNode } from '../helpers/node.js'

t.test('the driver is upgraded under an agent: it goes on, nobody else can begin, until the module is reloaded', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], driver: '535' }, { mig: true })
  await nvml.gpu(0).create('3g.20gb')
  await nvml.close()
  const { holder: agent, said } = await startHolder(t, node)
  t.same(said, { driver: '535.274.02' })

  node.upgradeDriver('570')
  t.same(await agent.looks(), { instances: 1 }, 'the agent has the old library loaded, which fits the module')
  const { holder: late, said: refused } = await startHolder(t, node)
  t.match(refused, {
    code: 'LIB_RM_VERSION_MISMATCH',
    hint: /^The loaded kernel module is 535\.274\.02, the library is NVML 12\.570\.148\.08: /
  })
  t.equal(await late.end(), 3)

  const workload = node.startClient({ gpu: 0, name: 'train' })
  t.throws(
    () => node.reloadDriver(),
    { code: 'IN_USE', message: new RegExp(`pid ${workload.pid}`) },
    'the module is not unloaded under a workload'
  )
  t.same(await agent.looks(), { instances: 1 })
  workload.stop()
  node.reloadDriver()
  t.same(await agent.looks(), { code: 'LIB_RM_VERSION_MISMATCH' }, 'now the agent is the one whose library is too old')
  t.equal(await agent.end(), 0, 'and ends as it is told to')

  await using after = await open({ library: node.library, root: node.root })
  t.equal(after.info.driverVersion, '570.148.08')
  t.match(await after.gpu(0).migMode(), { current: true })
  t.same(await after.gpu(0).instances(), [])
})
