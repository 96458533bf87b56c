/** root/ of a node: /proc and /dev as a driver has them, coming and going with instances. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { open } from '../../lib/index.js'
import { loadedModule } from '../../lib/kernel-module.js'
import { simulate } from '../../lib/simulator/index.js'
import { killAt } from '../helpers/churn.js'
import { openNode } from '../helpers/node.js'
import { below, listedInstances, modeOf, shownInstances } from '../helpers/root.js'
import { FULL } from '../helpers/run.js'
import { snapshotFrom } from '../helpers/snapshots.js'

const KILLS = FULL ? 400 : 40
const nodes = (root: string) => below(join(root, 'dev/nvidia-caps'))
const capNodes = (...minors: number[]) => minors.map(minor => `nvidia-cap${minor}`).sort()

t.test('what a driver shows before there are instances', async t => {
  const node = await simulate({ gpus: ['A100-SXM4-40GB', 'A30'], driver: '535' })
  t.teardown(() => node.close())
  const read = (path: string) => readFileSync(join(node.root, path), 'utf8')
  t.equal(await loadedModule(node.root), '535.274.02')
  t.match(read('proc/driver/nvidia/version'), /^NVRM version: NVIDIA UNIX (x86_64|aarch64) Kernel Module {2}535\.274\.02\n$/)

  // The MIG user guide's listing: its first and last lines, and so their number.
  const minors = read('proc/driver/nvidia-caps/mig-minors').split('\n')
  t.same(minors.slice(0, 6), [
    'config 1',
    'monitor 2',
    'gpu0/gi0/access 3',
    'gpu0/gi0/ci0/access 4',
    'gpu0/gi0/ci1/access 5',
    'gpu0/gi0/ci2/access 6'
  ])
  t.same(minors.slice(-3), ['gpu31/gi14/ci6/access 4321', 'gpu31/gi14/ci7/access 4322', ''])
  t.equal(minors.length, 4322 + 1)
  t.ok(
    minors.slice(0, -1).every((line, i) => line.endsWith(` ${i + 1}`)),
    'numbered without a gap'
  )
  t.ok(minors.includes('gpu0/gi1/access 12'), 'as in the guide')
  t.ok(minors.includes('gpu0/gi3/ci0/access 31'), 'as recorded of an H100')

  t.equal(read('proc/driver/nvidia/capabilities/mig/config'), 'DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 1\n')
  t.equal(read('proc/driver/nvidia/capabilities/mig/monitor'), 'DeviceFileMinor: 2\nDeviceFileMode: 292\nDeviceFileModify: 1\n')
  t.same(below(join(node.root, 'proc/driver/nvidia/capabilities')), [
    'gpu0',
    'gpu0/mig',
    'gpu1',
    'gpu1/mig',
    'mig',
    'mig/config',
    'mig/monitor'
  ])
  t.same(below(join(node.root, 'dev')), [
    'nvidia-caps',
    'nvidia-caps/nvidia-cap1',
    'nvidia-caps/nvidia-cap2',
    'nvidia-uvm',
    'nvidia0',
    'nvidia1',
    'nvidiactl'
  ])
  t.equal(modeOf(join(node.root, 'dev/nvidia-caps/nvidia-cap1')), 0o400, 'recorded: cr--------')
  t.equal(modeOf(join(node.root, 'dev/nvidia-caps/nvidia-cap2')), 0o444 & ~process.umask(), 'recorded: cr--r--r--')
  t.equal(modeOf(node.root), 0o755 & ~process.umask())
  t.ok(below(node.root).every(path => !/dev\/nvidia(ctl|-uvm|\d)$/.test(path) || statSync(join(node.root, path)).size === 0))
})

t.test('the capabilities that were recorded of an H100', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  // h100sxm-caps: instances 2 and 3 live; 0 and 1 did before, and their nodes are still there.
  const whole = await gpu.create('7g.80gb')
  await (await whole.gpuInstance()).destroy({ force: true })
  const half = await gpu.create('3g.40gb', { start: 0 })
  await (await half.gpuInstance()).destroy({ force: true })
  await gpu.create('3g.40gb', { start: 4 })
  await gpu.create('2g.20gb', { start: 0 })
  t.same(nodes(node.root), capNodes(1, 2, 3, 4, 12, 13, 21, 22, 30, 31))
  t.same(
    shownInstances(node.root),
    ['gpu0/mig/gi2', 'gpu0/mig/gi3'].flatMap(gi => [gi, `${gi}/access`, `${gi}/ci0`, `${gi}/ci0/access`])
  )
  const minorOf = (path: string) =>
    /DeviceFileMinor: (\d+)\n/.exec(readFileSync(join(node.root, 'proc/driver/nvidia/capabilities', path), 'utf8'))?.[1]
  t.equal(minorOf('gpu0/mig/gi2/ci0/access'), '22')
  t.equal(minorOf('gpu0/mig/gi3/ci0/access'), '31')

  node.reset(0)
  t.same(shownInstances(node.root), [], 'a reset takes instances')
  t.same(nodes(node.root), capNodes(1, 2, 3, 4, 12, 13, 21, 22, 30, 31), 'and leaves their nodes')
  node.reboot()
  t.same(nodes(node.root), capNodes(1, 2), '/dev is new after a boot')
})

t.test('a node that is taken again has what lives', async t => {
  const dir = join(realpathSync(t.testdir()), 'node')
  const gpus = ['A100-SXM4-40GB']
  const first = await simulate({ gpus, dir })
  const nvml = await open({ library: first.library, root: first.root })
  await nvml.gpu(0).setMigMode(true)
  await nvml.gpu(0).create('1g.5gb')
  const before = shownInstances(first.root)
  t.same(before, await listedInstances(nvml.gpus))
  t.equal(before.length, 4)
  await nvml.close()
  await first.close()
  const second = await simulate({ gpus, dir })
  t.same(shownInstances(second.root), before)
  await second.close()
})

t.test('a node of a snapshot has its instances and its minor numbers', async t => {
  const snapshot = await snapshotFrom({ gpus: ['A100-SXM4-40GB'] }, async nvml => {
    await nvml.gpu(0).setMigMode(true)
    await nvml.gpu(0).create('3g.20gb')
  })
  snapshot.gpus[0]!.minorNumber = 3
  const node = await simulate({ from: snapshot })
  t.teardown(() => node.close())
  t.same(shownInstances(node.root), ['gpu3/mig/gi2', 'gpu3/mig/gi2/access', 'gpu3/mig/gi2/ci0', 'gpu3/mig/gi2/ci0/access'])
  t.ok(below(join(node.root, 'dev')).includes('nvidia3'))
  // 3 + 135 of each GPU before it + 9 of each GPU instance.
  t.same(nodes(node.root), capNodes(1, 2, 426, 427))
  const box = await node.container({ devices: [{ gpu: 0, gpuInstance: 2, computeInstance: 0 }] })
  t.same(nodes(box.root), capNodes(426, 427))
  t.ok(existsSync(join(box.root, 'proc/driver/nvidia/capabilities/gpu3/mig/gi2/ci0/access')))
  t.ok(existsSync(join(box.root, 'dev/nvidia3')))
})

t.test(
  `clients killed in the middle of creates and destroys, ${KILLS} times`,
  { timeout: FULL ? 1_200_000 : 300_000 },
  async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'A30'] }, { mig: true })
    for (let i = 0; i < KILLS; i += 2) {
      const killed = await Promise.all([i, i + 1].map(seed => killAt(node.library, seed, (seed * 13) % 60)))
      t.same(
        killed.map(({ signal }) => signal),
        ['SIGKILL', 'SIGKILL']
      )
      // Whatever they left: one more change, of something else, and root/ is as NVML lists it.
      node.setReadings(1, { temperatureCelsius: 30 + (i % 40) })
      t.same(shownInstances(node.root), await listedInstances(nvml.gpus))
      t.notOk(below(node.root).includes('.partial'))
    }
  }
)
