/** A driver upgrade of a node that was made of a snapshot: its boards go on as their rows show them. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { open, type Snapshot } from '../../lib/index.js'
import { loadedModule } from '../../lib/kernel-module.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { fillWithInstances, onNode, snapshotFrom, snapshotOf, throughJson } from '../helpers/snapshots.js'

const FILES = ['libnvidia-ml.so.1', 'node.image', 'node.json', 'root']
/** The release that the snapshots here are taken on. */
const OWN = '535.274.02'

const filled = (request: SimulateOptions): Promise<Snapshot> =>
  snapshotFrom(request, async nvml => {
    for (const gpu of nvml.gpus) await fillWithInstances(gpu)
  })

/** As another machine has it: nothing in it is what the simulator would derive. */
async function foreign(request: SimulateOptions): Promise<Snapshot> {
  const snapshot = throughJson(await filled(request))
  for (const [i, gpu] of snapshot.gpus.entries()) {
    gpu.uuid = `GPU-00000000-0000-4000-8000-00000000000${i}`
    gpu.serial = `132400000000${i}`
    gpu.pciBusId = `00000000:C${i}:00.0`
    gpu.minorNumber = 7 - i
    gpu.boardPartNumber = `900-21001-0000-00${i}`
    gpu.vbiosVersion = '92.00.45.00.0A'
    gpu.bar1!.totalMiB = 131_072
    for (const [j, device] of gpu.migDevices!.entries()) {
      const uuid = `MIG-00000000-0000-4000-8000-0000000000${i}${j}`
      const { computeInstances } = gpu.gpuInstances!.find(({ id }) => id === device.gpuInstanceId)!
      Object.assign(computeInstances!.find(({ uuid: was }) => was === device.uuid)!, { uuid })
      device.uuid = uuid
    }
  }
  return snapshot
}

/** What of a snapshot is a board's own, or the machine's. */
const own = ({ gpus }: Snapshot) =>
  gpus.map(({ uuid, serial, pciBusId, minorNumber, boardPartNumber, vbiosVersion, bar1, brand }) => ({
    ...{ uuid, serial, pciBusId, minorNumber, boardPartNumber, vbiosVersion, bar1: bar1?.totalMiB, brand }
  }))

/** What a driver shows of boards, in the terms of `gpus`. */
const shown = ({ driver, gpus }: Snapshot) => ({
  driver,
  gpus: gpus.map(({ name, memory, architecture, computeCapability, maxMigDevices, migMode, profiles }) => ({
    ...{ name, memoryMiB: memory?.totalMiB, architecture, computeCapability, maxMigDevices, migMode, profiles }
  }))
})

async function played(t: Test, request: SimulateOptions): Promise<SimulatedNode> {
  const node = await simulate(request)
  t.teardown(() => node.close())
  return node
}

const readModule = ({ root }: SimulatedNode) => loadedModule(root)

const mode = (node: SimulatedNode, on: boolean) =>
  onNode(node, async nvml => {
    for (const gpu of nvml.gpus) await gpu.setMigMode(on)
  })

t.test('the boards are played by their rows, and stay what they are', async t => {
  const gpus = ['A100-SXM4-40GB', { model: 'H100-NVL-94GB', variant: 'mid-2024' }, 'A30']
  const from = await foreign({ gpus, driver: OWN })
  // As another host reported it: the row has 4864.
  from.gpus[0]!.profiles!.find(({ name }) => name === '1g.5gb')!.memoryMiB = 4800
  const node = await played(t, { from })
  node.upgradeDriver('570')
  t.equal(node.driver, OWN, 'not loaded yet')
  t.equal(await readModule(node), OWN)
  node.reboot()
  node.check()
  t.equal(node.driver, '570.148.08')
  t.equal(await readModule(node), '570.148.08')

  const rows = await played(t, { gpus, driver: '570' })
  await mode(node, true)
  await mode(rows, true)
  const after = await snapshotOf(node)
  t.strictSame(shown(after), shown(await snapshotOf(rows)), 'as a node of such models shows them')
  t.strictSame(own(after), own(from), 'identities, the machine, and what is no matter of drivers')
  t.same(
    after.gpus.map(({ gpuInstances, migDevices }) => [gpuInstances, migDevices]),
    Array(3).fill([[], []]),
    'instances are gone'
  )
  const [lived] = from.gpus[0]!.gpuInstances!
  const compute = lived!.computeInstances![0]!
  await onNode(node, async nvml => {
    const again = await nvml.gpu(0).createGpuInstance(lived!.profileId, { start: lived!.placement.start })
    const made = await again.createComputeInstance(compute.profileId, { start: compute.placement!.start })
    t.equal((await made.device()).uuid, compute.uuid, 'what is made again at a place has the UUID that it had')
  })
  t.same(
    node.gpus.map(({ model, name, uuid }) => [model, name, uuid]),
    from.gpus.map(({ uuid }, i) => [rows.gpus[i]!.model, rows.gpus[i]!.name, uuid])
  )

  node.upgradeDriver(OWN)
  node.reboot()
  node.check()
  await mode(node, true)
  const back = await snapshotOf(node)
  const told = ({ profiles }: Snapshot['gpus'][0]) => profiles!.map(({ remaining, computeInstanceProfiles, ...rest }) => rest)
  t.strictSame(back.gpus.map(told), from.gpus.map(told), 'the snapshot’s own release shows its figures again')
  t.strictSame(back.driver, from.driver)
})

t.test('names, slots and MIG UUIDs are those of the release', async t => {
  const from = await filled({ gpus: ['A100-SXM4-40GB'], driver: '450' })
  const node = await played(t, { from })
  t.equal(node.gpus[0]!.name, 'A100-SXM4-40GB')
  node.upgradeDriver('550')
  node.reloadDriver()
  t.equal(node.gpus[0]!.name, 'NVIDIA A100-SXM4-40GB')
  await onNode(node, async nvml => {
    t.equal((await nvml.gpu(0).profiles()).length, 7)
    t.match((await nvml.gpu(0).create('1g.10gb')).uuid, /^MIG-[0-9a-f]{8}-/)
  })
  // Names without 'MIG ' were those of the driver that the snapshot was taken on.
  const plain = await filled({ gpus: ['A30'], dialects: { plainMigNames: true } })
  const other = await played(t, { from: plain })
  other.upgradeDriver('570')
  other.reboot()
  const { gpus } = await snapshotOf(other)
  t.equal(gpus[0]!.profiles![0]!.reportedName, 'MIG 1g.6gb')
})

t.test('a virtual machine’s GPU keeps its instances, and one without MIG has none after it', async t => {
  const from = await filled({ gpus: ['A100-SXM4-40GB'], driver: '535' })
  const guest = await played(t, { from, platform: 'vgpu-guest' })
  const devices = (node: SimulatedNode) =>
    onNode(node, async nvml => (await nvml.gpu(0).devices()).map(({ uuid, profile }) => ({ uuid, profile })))
  const before = await devices(guest)
  t.ok(before.length > 2)
  guest.upgradeDriver('570')
  guest.reboot()
  guest.check()
  t.same(await devices(guest), before)

  const off = throughJson(await snapshotFrom({ gpus: ['A100-SXM4-40GB'] }))
  Object.assign(off.gpus[0]!, { migCapable: false, migMode: null, profiles: [] })
  const without = await played(t, { from: off })
  without.upgradeDriver('570')
  without.reboot()
  t.match((await snapshotOf(without)).gpus[0], { migCapable: false, profiles: [] })
})

t.test('taken back before it is loaded', async t => {
  const from = await filled({ gpus: ['A30'], driver: '550' })
  const node = await played(t, { from })
  const library = readFileSync(node.library)
  node.upgradeDriver('570')
  t.strictSame(readdirSync(node.dir).sort(), [...FILES, 'node.image.next'].sort())
  node.upgradeDriver(node.driver)
  t.same(readdirSync(node.dir).sort(), FILES)
  t.ok(readFileSync(node.library).equals(library))
  t.strictSame(await snapshotOf(node), from, 'nothing has changed')
  node.reloadDriver()
  t.equal(node.driver, from.driver.version)
})

t.test('a snapshot of a driver that is newer than the known ones', async t => {
  const from = throughJson(await snapshotFrom({ gpus: ['A30'] }))
  Object.assign(from.driver, { version: '700.10', nvml: '14.700.10' })
  const node = await played(t, { from })
  node.upgradeDriver('550')
  node.reboot()
  t.equal(node.driver, '550.163.01')
  node.upgradeDriver('700.10')
  node.reboot()
  t.equal(node.driver, '700.10')
  from.gpus[0]!.persistenceMode = false // which no restart outlasts
  t.strictSame(await snapshotOf(node), from)
})

t.test('attached from its directory', async t => {
  const from = await filled({ gpus: ['A100-SXM4-40GB'], driver: '450' })
  const request = { from, dir: join(t.testdir(), 'node') }
  const made = await simulate(request)
  made.upgradeDriver('570')
  await made.close()
  const pending = await simulate(request)
  t.equal(pending.driver, from.driver.version)
  pending.reloadDriver()
  await pending.close()
  const node = await played(t, request)
  t.equal(node.driver, '570.148.08')
  t.match(node.gpus[0], { name: 'NVIDIA A100-SXM4-40GB', uuid: from.gpus[0]!.uuid })
  await using nvml = await open({ library: node.library, root: node.root })
  t.equal(nvml.info.driverVersion, '570.148.08')
  await nvml.close()
  node.upgradeDriver(from.driver.version!)
  node.reboot()
  t.equal(node.gpus[0]!.name, 'A100-SXM4-40GB')
})

t.test('what no row tells is refused, and changes nothing', async t => {
  const refused = async (
    from: Snapshot,
    driver: string,
    error: Parameters<typeof t.throws>[1] & object,
    options: SimulateOptions = {}
  ) => {
    const node = await played(t, { from, ...options })
    const files = () => FILES.map(name => statSync(join(node.dir, name)).ino)
    const before = files()
    t.throws(() => node.upgradeDriver(driver), error)
    t.same(files(), before)
    t.same(readdirSync(node.dir).sort(), FILES)
    node.reboot()
    t.equal(node.driver, from.driver.version)
  }
  const unknown = throughJson(await snapshotFrom({ gpus: ['A30', 'A30'], driver: OWN }, nvml => fillWithInstances(nvml.gpu(1))))
  Object.assign(unknown.gpus[1]!, { name: 'NVIDIA X999', pciDeviceId: '0x7FFF10DE' })
  await refused(unknown, '570', {
    name: 'RangeError',
    message:
      'upgradeDriver: GPU 1 is a board of which there is no row (NVIDIA X999), and its snapshot tells what driver 535.274.02 ' +
      'shows of it, not what 570.148.08 does. Nothing was changed.'
  })
  const mixed = await snapshotFrom({ gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'] })
  await refused(mixed, '515', {
    name: 'RangeError',
    message: 'upgradeDriver: GPU 1: H100-SXM5-80GB needs driver 525.53 or later: 515.86.01 does not know it. Nothing was changed.'
  })
  await refused(mixed, '999', {
    name: 'RangeError',
    message: /^upgradeDriver: driver 999 is newer .*\. Nothing was changed\.$/
  })
  const gaps = await filled({ gpus: ['H100-SXM5-64GB'], fill: 'derived' })
  await refused(gaps, '570', {
    name: 'SimulatorError',
    code: 'UNKNOWN_FIGURES',
    message: /^upgradeDriver: GPU 0: of H100-SXM5-64GB nobody recorded .*\. Nothing was changed\.$/
  })
  const node = await played(t, { from: gaps, fill: 'derived' })
  node.upgradeDriver('570')
  node.reboot()
  t.equal(node.driver, '570.148.08')
  t.ok(node.gpus[0]!.filled.length > 0)
})
