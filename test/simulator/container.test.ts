/** Containers of a node: what they see of it, at once with the host, and what both do to each other. */
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import t, { type Test } from 'tap'
import { open } from '../../lib/index.js'
import { loadedModule } from '../../lib/kernel-module.js'
import { type ContainerOptions, type SimulatedNode, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { below } from '../helpers/root.js'

const ALWAYS = ['dev/nvidia-uvm', 'dev/nvidiactl', 'proc/driver/nvidia-caps/mig-minors', 'proc/driver/nvidia/version']
const capNodes = (...minors: number[]) => minors.map(minor => `dev/nvidia-caps/nvidia-cap${minor}`)
const instance = (path: string) => `proc/driver/nvidia/capabilities/${path}`

/** Files and devices that a container's root/ has, links followed; a link to what is gone is not there. */
function visible(root: string): string[] {
  const found = (at: string): string[] =>
    readdirSync(join(root, at))
      .map(name => join(at, name))
      .filter(path => existsSync(join(root, path)))
      .flatMap(path => (statSync(join(root, path)).isDirectory() ? found(path) : [path]))
  return found('').sort()
}

async function openContainer(t: Test, node: SimulatedNode, options: ContainerOptions) {
  const box = await node.container(options)
  const nvml = await open({ library: box.library, root: box.root })
  t.teardown(() => nvml.close())
  return { box, nvml }
}

/** Four A100, the first two partitioned: GPU 0 has 3g.20gb twice, GPU 1 1g.5gb once. */
async function partitioned(t: Test) {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*4'] })
  for (const gpu of nvml.gpus.slice(0, 2)) await gpu.setMigMode(true)
  const devices = [await nvml.gpu(0).create('3g.20gb'), await nvml.gpu(0).create('3g.20gb'), await nvml.gpu(1).create('1g.5gb')]
  return { node, nvml, devices }
}

t.test('one MIG device of one GPU', async t => {
  const { node, nvml, devices } = await partitioned(t)
  const [mine, other] = devices as [(typeof devices)[0], (typeof devices)[0]]
  t.same([mine.gpuInstanceId, other.gpuInstanceId], [2, 1])
  const { box, nvml: inside } = await openContainer(t, node, { devices: [{ gpu: 0, gpuInstance: 2, computeInstance: 0 }] })

  t.equal(inside.gpus.length, 4, 'what is denied is counted')
  t.same(
    inside.gpus.map(({ unavailable }) => unavailable?.code ?? null),
    [null, 'NO_PERMISSION', 'NO_PERMISSION', 'NO_PERMISSION']
  )
  t.equal(inside.gpu(0).uuid, nvml.gpu(0).uuid)
  t.equal((await inside.find(mine.uuid))?.index, 0, 'the first of those that are seen')
  t.equal((await nvml.find(mine.uuid))?.index, 1, 'on the host the second')
  t.equal(await inside.find(other.uuid), undefined)
  t.equal((await inside.find({ gpu: 0, gpuInstance: 2, computeInstance: 0 }))?.uuid, mine.uuid)
  await t.rejects(inside.gpu(0).instances(), { name: 'NvmlError', code: 'NO_PERMISSION' })
  await t.rejects(inside.gpu(0).create('1g.5gb'), { name: 'NvmlError', code: 'NO_PERMISSION' })
  await t.rejects(inside.gpu(0).setMigMode(false), { name: 'NvmlError', code: 'NO_PERMISSION' })

  t.equal(await loadedModule(box.root), node.driver)
  const place = ['gpu0/mig/gi2/access', 'gpu0/mig/gi2/ci0/access'].map(instance)
  t.same(visible(box.root), [...ALWAYS, 'dev/nvidia0', ...capNodes(21, 22), ...place].sort())
  t.equal(readFileSync(join(box.root, place[1]!), 'utf8'), readFileSync(join(node.root, place[1]!), 'utf8'))

  await (await mine.gpuInstance()).destroy({ force: true })
  t.equal(await inside.find(mine.uuid), undefined, 'what the host destroys is gone')
  t.same(visible(box.root), [...ALWAYS, 'dev/nvidia0', ...capNodes(21, 22)].sort(), 'its nodes linger')
  await nvml.gpu(0).create('3g.20gb')
  t.equal((await inside.find(mine.uuid))?.gpuInstanceId, 2, 'and what comes to its place is there')
  t.same(visible(box.root), [...ALWAYS, 'dev/nvidia0', ...capNodes(21, 22), ...place].sort())
})

t.test('whole GPUs, the others absent', async t => {
  const { node, nvml, devices } = await partitioned(t)
  const { box, nvml: inside } = await openContainer(t, node, { gpus: [1, 3], others: 'absent' })
  t.same(
    inside.gpus.map(({ uuid, index, pciBusId }) => [uuid, index, pciBusId]),
    [1, 3].map((gpu, index) => [nvml.gpu(gpu).uuid, index, nvml.gpu(gpu).pciBusId])
  )
  // The eighth at memory slice 6 is instance 13: 3 + 135 of GPU 0 + 9 * 13.
  const before = ['dev/nvidia1', 'dev/nvidia3', ...capNodes(255, 256)]
  const first = ['gpu1/mig/gi13/access', 'gpu1/mig/gi13/ci0/access'].map(instance)
  t.same(visible(box.root), [...ALWAYS, ...before, ...first].sort())
  t.equal((await inside.find(devices[2]!.uuid))?.uuid, devices[2]!.uuid)
  t.equal(await inside.find(devices[0]!.uuid), undefined)
  t.same(await inside.gpu(1).migMode(), { current: false, pending: false })

  const later = await nvml.gpu(1).create('3g.20gb', { start: 0 })
  t.equal((await inside.find(later.uuid))?.gpuInstanceId, 1)
  const second = ['gpu1/mig/gi1/access', 'gpu1/mig/gi1/ci0/access'].map(instance)
  t.same(visible(box.root), [...ALWAYS, ...before, ...first, ...second].sort(), "a container's /dev stays as it was at its start")
})

t.test('capabilities, and changes that the host sees', async t => {
  const { node, nvml } = await partitioned(t)
  const monitor = await openContainer(t, node, {
    devices: [{ gpu: 0, gpuInstance: 2, computeInstance: 0 }],
    capabilities: ['mig/monitor']
  })
  const config = await openContainer(t, node, { gpus: [0], capabilities: ['mig/config'], others: 'absent' })
  t.ok(visible(monitor.box.root).includes(instance('mig/monitor')))
  t.ok(visible(monitor.box.root).includes(capNodes(2)[0]!))
  t.notOk(visible(monitor.box.root).some(path => path.endsWith('mig/config') || path.endsWith('nvidia-cap1')))
  t.ok(visible(config.box.root).includes(instance('mig/config')))
  t.ok(visible(config.box.root).includes(capNodes(1)[0]!))

  const ids = async (session: typeof nvml) => (await session.gpu(0).instances()).map(({ id }) => id)
  t.same(await ids(monitor.nvml), [1, 2])
  t.same(await ids(config.nvml), [1, 2])
  await t.rejects(monitor.nvml.gpu(0).create('1g.5gb'), { code: 'NO_PERMISSION' })
  await (await config.nvml.gpu(0).instances())[0]!.destroy({ force: true })
  for (const session of [nvml, monitor.nvml, config.nvml]) t.same(await ids(session), [2])
  const made = await config.nvml.gpu(0).create('2g.10gb')
  t.equal((await nvml.find(made.uuid))?.gpuInstanceId, made.gpuInstanceId)
  t.equal((await monitor.nvml.find(made.uuid))?.gpuInstanceId, made.gpuInstanceId)
  t.ok(existsSync(join(node.root, instance(`gpu0/mig/gi${made.gpuInstanceId}/ci0/access`))), "the node's root/ shows it")
  node.reset(0)
  for (const session of [nvml, monitor.nvml, config.nvml]) t.same(await ids(session), [])
  t.equal(node.check(), undefined)
})

t.test('no GPU at all', async t => {
  const { node } = await partitioned(t)
  const denied = await openContainer(t, node, { gpus: [] })
  t.same(
    denied.nvml.gpus.map(({ unavailable }) => unavailable?.code),
    Array(4).fill('NO_PERMISSION')
  )
  const absent = await openContainer(t, node, { gpus: [], others: 'absent' })
  t.same(absent.nvml.gpus, [])
  t.same(visible(absent.box.root), ALWAYS)
})

t.test('its directory', async t => {
  const dir = join(realpathSync(t.testdir()), 'node')
  const node = await simulate({ gpus: ['A100-SXM4-40GB'], dir })
  const first = await node.container({ gpus: [0] })
  const second = await node.container({ gpus: [] })
  t.same(readdirSync(first.dir).sort(), ['libnvidia-ml.so.1', 'node.image', 'node.json', 'node.view', 'root'])
  t.equal(first.library, join(first.dir, 'libnvidia-ml.so.1'))
  t.equal(first.root, join(first.dir, 'root'))
  const links = below(first.dir).filter(path => lstatSync(join(first.dir, path)).isSymbolicLink())
  for (const path of links) {
    t.notOk(isAbsolute(readlinkSync(join(first.dir, path))), path)
    t.ok(realpathSync(join(first.dir, path)).startsWith(`${dir}/`))
  }
  t.ok(links.includes('node.image'))
  t.same(readdirSync(dir).sort(), ['containers', 'libnvidia-ml.so.1', 'node.image', 'node.json', 'root'])
  await first.close()
  await first.close()
  t.notOk(existsSync(first.dir))
  t.ok(existsSync(second.dir))
  const unawaited = node.container({ gpus: [0] })
  await node.close()
  t.notOk(existsSync((await unawaited).dir), 'what was being made ends with the node too')
  t.same(readdirSync(dir).sort(), ['libnvidia-ml.so.1', 'node.image', 'node.json', 'root'], 'nothing is left of them')
  await t.rejects(async () => node.container({ gpus: [0] }), { name: 'SimulatorError', code: 'CLOSED' })

  const again = await simulate({ gpus: ['A100-SXM4-40GB'], dir })
  await using box = await again.container({ gpus: [0] })
  t.ok(existsSync(box.library))
  await again.close()
})

t.test('what cannot be is a sentence, and nothing is made', async t => {
  const { node } = await partitioned(t)
  const device = { gpu: 0, gpuInstance: 2, computeInstance: 0 }
  const cases: [options: unknown, error: { name: string; code?: string; message: string }][] = [
    [undefined, { name: 'TypeError', message: 'container: options are an object like { gpus: … }, not undefined' }],
    [
      {},
      {
        name: 'TypeError',
        message: 'container: gpus or devices says what is seen; { gpus: [] } is a container without any GPU'
      }
    ],
    [{ gpu: [0] }, { name: 'TypeError', message: "container has no option 'gpu'; did you mean 'gpus'?" }],
    [{ gpus: 0 }, { name: 'TypeError', message: 'container: gpus is a list such as [0, 1], not 0' }],
    [{ gpus: ['0'] }, { name: 'TypeError', message: "container: gpus[0] is a number, not '0'" }],
    [{ gpus: [0, 4] }, { name: 'RangeError', message: 'container: gpus[1]: there is no GPU 4; this node has GPUs 0 to 3' }],
    [{ gpus: [1, 1] }, { name: 'RangeError', message: 'container: gpus has GPU 1 twice' }],
    [{ devices: [7] }, { name: 'TypeError', message: 'container: devices[0]: options are an object like { gpu: … }, not 7' }],
    [
      { devices: [{ ...device, gpu: -1 }] },
      { name: 'RangeError', message: 'container: devices[0].gpu is a whole number from 0 on, not -1' }
    ],
    [
      { devices: [device, { ...device }] },
      { name: 'RangeError', message: 'container: devices has compute instance 0 of GPU instance 2 of GPU 0 twice' }
    ],
    [
      { gpus: [0], devices: [device] },
      { name: 'RangeError', message: 'container: devices[0] is on GPU 0, which gpus has as a whole' }
    ],
    [
      { devices: [{ ...device, computeInstance: 1 }] },
      { name: 'SimulatorError', code: 'NOT_FOUND', message: 'GPU 0 has no compute instance 1 in a GPU instance 2.' }
    ],
    [
      { devices: [{ ...device, gpuInstance: 300 }] },
      { name: 'SimulatorError', code: 'NOT_FOUND', message: 'GPU 0 has no compute instance 0 in a GPU instance 300.' }
    ],
    [
      { gpus: [], capabilities: ['mig/admin'] },
      { name: 'RangeError', message: "container: a capability is 'mig/config' or 'mig/monitor', not 'mig/admin'" }
    ],
    [
      { gpus: [], others: 'hidden' },
      { name: 'RangeError', message: "container: others is 'denied' or 'absent', not 'hidden'" }
    ]
  ]
  for (const [options, error] of cases) await t.rejects(async () => node.container(options as ContainerOptions), error)
  t.notOk(existsSync(join(node.dir, 'containers')))
})
