/** A driver upgrade under running clients: who goes on, who is refused, and what is left once the module is reloaded. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { open } from '../../lib/index.js'
import { loadedModule } from '../../lib/kernel-module.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { builtLibrary, libraryOf } from '../../lib/simulator/node-library.js'
import { findRelease } from '../../lib/simulator/releases.js'
import { openNode } from '../helpers/node.js'
import { listedInstances, shownInstances } from '../helpers/root.js'

const AGENT = fileURLToPath(new URL('../helpers/processes/agent.ts', import.meta.url))
const A100: SimulateOptions = { gpus: ['A100-SXM4-40GB'], driver: '450' }
const NODE = ['libnvidia-ml.so.1', 'node.image', 'node.json', 'root']
const MISMATCH = 'LIB_RM_VERSION_MISMATCH'

/** A process of its own, asked line by line. */
function agent(t: Test, { library, root }: SimulatedNode): (deed: string) => Promise<unknown> {
  const child = spawn(process.execPath, [...process.execArgv, AGENT, library, root], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async deed => {
    child.stdin.write(`${deed}\n`)
    const { value, done } = await answers.next()
    if (done) throw new Error(`the process ended instead of answering '${deed}'`)
    return JSON.parse(value)
  }
}

const exportsOf = (library: string): number =>
  execFileSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' }).trim().split('\n').length

t.test('the driver is upgraded under a session', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  t.equal(node.gpus[0]!.name, 'A100-SXM4-40GB', 'as drivers before R470 call it')
  const { uuid } = node.gpus[0]!
  {
    await using nvml = await open({ library: node.library, root: node.root })
    await nvml.gpu(0).setMigMode(true)
  }
  const old = agent(t, node)
  t.match(await old('open'), { driverVersion: '450.248.02', nvmlVersion: '11.450.248.02' })
  const first = await old('create')

  node.upgradeDriver('550')
  t.equal(node.driver, '450.248.02', 'the loaded module stays the old one')
  t.equal(await loadedModule(node.root), '450.248.02')
  t.equal(exportsOf(node.library), 350, 'the library is the new one at once')
  const second = await old('create')
  t.same(await old('look'), [{ uuid, mig: true, profiles: 5, devices: [first, second].sort() }], 'who has NVML open goes on')
  const late = agent(t, node)
  const refused = {
    code: MISMATCH,
    call: 'nvmlInit_v2',
    hint: /^The loaded kernel module is 450\.248\.02, the library is NVML 12\.550\.163\.01: reload the nvidia modules, /
  }
  t.match(await late('open'), refused, 'a new process is refused, and told both versions')
  node.check()

  const client = node.startClient({ gpu: 0, pid: 4711 })
  t.throws(() => node.reloadDriver(), { code: 'IN_USE', message: /pid 4711/ })
  t.equal(node.driver, '450.248.02')
  t.match(await late('open'), refused)
  client.stop()

  node.reloadDriver()
  node.check()
  t.equal(node.driver, '550.163.01')
  t.equal(node.gpus[0]!.name, 'NVIDIA A100-SXM4-40GB')
  t.equal(await loadedModule(node.root), '550.163.01')
  t.same(readdirSync(node.dir).sort(), NODE, 'nothing is left beside the node')
  t.match(await old('look'), { code: MISMATCH, call: 'nvmlDeviceGetMigMode', hint: /close all sessions of this process/ })
  t.match(await old('create'), { code: MISMATCH })
  t.match(await late('open'), { driverVersion: '550.163.01', nvmlVersion: '12.550.163.01' })
  // Recorded listings of this board: 1g.5gb+me came with R470, 1g.10gb with R525.
  t.same(await late('look'), [{ uuid, mig: true, profiles: 7, devices: [] }], 'Ampere keeps its mode; instances are gone')
  t.type(await late('create'), 'string')
  await old('close')
  t.match(
    await old('open'),
    { driverVersion: '550.163.01' },
    'the old process gets the new library once it let go of the old one'
  )
  t.match(await old('look'), [{ profiles: 7, devices: [/^MIG-/] }])
})

t.test('in one process the loader knows the library by its path', async t => {
  const { node, nvml } = await openNode(t, A100)
  node.upgradeDriver('550')
  const second = await open({ library: node.library, root: node.root })
  t.equal(second.info.nvmlVersion, '11.450.248.02', 'a second session gets the library of the first, which fits the module')
  t.same(await second.gpu(0).migMode(), { current: false, pending: false })
  node.reloadDriver()
  t.equal(node.driver, '550.163.01', 'the node is controlled whichever library this process has')
  node.setReadings(0, { powerMilliwatts: 123_000 })
  await t.rejects(nvml.gpu(0).migMode(), { code: MISMATCH })
  await second.close()
  await t.rejects(
    open({ library: node.library, root: node.root }),
    {
      code: MISMATCH,
      hint: /kernel module is 550\.163\.01, the library is NVML 11\.450\.248\.02: .* close all of its sessions first\.$/
    },
    'the old library is still loaded'
  )
  await nvml.close()
  const third = await open({ library: node.library, root: node.root })
  t.teardown(() => third.close())
  t.equal(third.info.nvmlVersion, '12.550.163.01')
  node.check()
})

t.test('a reboot loads it too, and Hopper forgets its mode', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'], driver: '535' }, { mig: true })
  await nvml.gpu(1).create('1g.10gb')
  node.startClient({ gpu: 0 })
  node.setReadings(1, { temperatureCelsius: 77 })
  await nvml.close()
  const identities = node.gpus.map(({ uuid, serial, pciBusId }) => ({ uuid, serial, pciBusId }))
  node.upgradeDriver('570.148.08')
  node.reboot()
  t.equal(node.driver, '570.148.08')
  t.equal(await loadedModule(node.root), '570.148.08')
  t.match(node.gpus, identities)
  const after = agent(t, node)
  await after('open')
  const [a100, h100] = (await after('look')) as { uuid: string; mig: boolean; devices: string[] }[]
  t.match(a100, { uuid: identities[0]!.uuid, mig: true, devices: [] })
  t.match(h100, { uuid: identities[1]!.uuid, mig: false, devices: [] })
  node.check()
})

t.test('an older release', async t => {
  const node = await simulate({ ...A100, driver: '550' })
  t.teardown(() => node.close())
  node.upgradeDriver('450')
  const late = agent(t, node)
  // A library of R450 does not tell its version before init.
  t.match(await late('open'), {
    code: MISMATCH,
    hint: /^The loaded kernel module is 550\.163\.01, the library is not: /
  })
  node.reloadDriver()
  t.equal(node.driver, '450.248.02')
  t.match(await late('open'), { driverVersion: '450.248.02' })
  t.equal(exportsOf(node.library), 242)
})

t.test('faults are the test’s, not the driver’s: they outlast an upgrade', async t => {
  const { node, nvml } = await openNode(t, A100)
  const third = node.inject({ call: 'nvmlDeviceSetMigMode', nth: 3, returns: 'UNKNOWN' })
  node.inject({ gpu: 0, resetRequired: true })
  await t.rejects(nvml.gpu(0).setMigMode(true), { code: 'RESET_REQUIRED' })
  t.equal(third.matched, 1)
  const stuck = node.inject({ call: 'nvmlDeviceGetCount_v2', hangs: true })
  const hanging = open({ library: node.library, root: node.root })
  // One session at least asks for the count; it is seen to hang by what it counted.
  while (stuck.fired === 0) await new Promise(resolve => setImmediate(resolve))

  node.upgradeDriver('550')
  node.reloadDriver()
  await t.rejects(hanging, { code: MISMATCH }, 'who hung in the old driver is let go by its end')
  t.equal(stuck.fired, 1)
  stuck.remove()
  await nvml.close()
  t.same(node.faults(), [third], 'the reload has reset the GPU')
  await using after = await open({ library: node.library, root: node.root })
  t.equal(after.info.driverVersion, '550.163.01')
  await after.gpu(0).setMigMode(true)
  await t.rejects(after.gpu(0).setMigMode(false), { code: 'UNKNOWN' })
  t.match(third, { matched: 3, fired: 1 })
  node.check()
})

t.test('root/ shows what lives under the new driver', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  await nvml.gpu(0).create('3g.20gb')
  t.same(shownInstances(node.root), await listedInstances(nvml.gpus))
  await nvml.close()
  node.upgradeDriver('550')
  t.equal(shownInstances(node.root).length, 4, 'installed, not loaded: nothing has changed')
  node.reloadDriver()
  t.same(shownInstances(node.root), [])
  const after = await open({ library: node.library, root: node.root })
  t.teardown(() => after.close())
  await after.gpu(0).create('1g.10gb')
  t.same(shownInstances(node.root), await listedInstances(after.gpus))
  t.equal(shownInstances(node.root).length, 4)

  const guest = await simulate({
    gpus: [{ model: 'A100-SXM4-40GB', instances: ['3g.20gb', '1g.5gb'] }],
    driver: '450',
    platform: 'vgpu-guest'
  })
  t.teardown(() => guest.close())
  const before = shownInstances(guest.root)
  t.equal(before.length, 8)
  guest.upgradeDriver('550')
  guest.reboot()
  t.same(shownInstances(guest.root), before, 'a guest keeps what its host gave it')
})

t.test('an upgrade is taken back before it was loaded, or followed by another', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  const original = readFileSync(node.library)
  node.upgradeDriver('550')
  node.upgradeDriver('450.248.02')
  t.same(readdirSync(node.dir).sort(), NODE)
  t.ok(readFileSync(node.library).equals(original))
  node.reloadDriver()
  t.equal(node.driver, '450.248.02')
  const client = agent(t, node)
  t.match(await client('open'), { driverVersion: '450.248.02' })
  await client('close')

  node.upgradeDriver('550')
  node.upgradeDriver('570')
  node.reloadDriver()
  t.equal(node.driver, '570.148.08')
  t.match(await client('open'), { driverVersion: '570.148.08' })
})

t.test('a node that was upgraded is attached', async t => {
  const options = { ...A100, dir: join(t.testdir(), 'node') }
  const made = await simulate(options)
  chmodSync(made.library, 0o755)
  chmodSync(join(made.dir, 'node.image'), 0o666)
  made.upgradeDriver('550')
  await made.close()

  const pending = await simulate(options)
  t.equal(pending.driver, '450.248.02')
  pending.reloadDriver()
  await pending.close()
  t.equal(pending.driver, '550.163.01', 'also after close()')

  const { node, nvml } = await openNode(t, options)
  t.equal(node.driver, '550.163.01')
  t.equal(node.gpus[0]!.name, 'NVIDIA A100-SXM4-40GB')
  t.equal(nvml.info.driverVersion, '550.163.01')
  t.equal(
    JSON.parse(readFileSync(join(node.dir, 'node.json'), 'utf8')).request.driver,
    '450.248.02',
    'node.json is what was asked for'
  )
  t.equal(statSync(node.library).mode & 0o777, 0o755, 'its files have the rights they had')
  t.equal(statSync(join(node.dir, 'node.image')).mode & 0o777, 0o666)
  await nvml.close()
  node.upgradeDriver('570')
  node.reboot()
  t.equal(node.driver, '570.148.08')
})

t.test('a vGPU guest keeps its instances under a driver that knows their profiles', async t => {
  // Under R450 the list of profiles is shorter, so their places in it differ.
  const guest = async (driver: string, profiles: string[]) => {
    const gpus = [{ model: 'A100-SXM4-40GB', instances: profiles }]
    const node = await simulate({ gpus, driver, platform: 'vgpu-guest' })
    t.teardown(() => node.close())
    return node
  }
  const instances = async ({ library, root }: SimulatedNode) => {
    await using nvml = await open({ library, root })
    return (await nvml.gpu(0).devices()).map(({ gpuInstanceId, profile }) => ({ gpuInstanceId, profile }))
  }
  const node = await guest('450', ['3g.20gb', '1g.5gb'])
  const before = await instances(node)
  t.match(before, [{ profile: '3g.20gb' }, { profile: '1g.5gb' }])
  node.upgradeDriver('550')
  node.reboot()
  node.check()
  t.same(await instances(node), before)

  const newer = await guest('550', ['1g.10gb'])
  newer.upgradeDriver('450')
  t.throws(() => newer.reboot(), {
    code: 'NOT_SUPPORTED',
    message: 'GPU 0 has an instance of MIG 1g.10gb, which driver 450.248.02 does not know.'
  })
  t.equal(newer.driver, '550.163.01')
  newer.upgradeDriver('550')
  t.match(await instances(newer), [{ profile: '1g.10gb' }])
})

t.test('what is no release for the node changes nothing', async t => {
  const node = await simulate({ gpus: ['H100-SXM5-80GB'] })
  t.teardown(() => node.close())
  const files = () => NODE.map(name => statSync(join(node.dir, name)).ino)
  const before = files()
  const wrong: [driver: unknown, error: { name: string; message: RegExp | string }][] = [
    ['soon', { name: 'RangeError', message: /^upgradeDriver: 'soon' is no driver release: give a branch such as '550'/ }],
    ['440', { name: 'RangeError', message: /^upgradeDriver: driver 440 has no MIG/ }],
    [
      '999',
      {
        name: 'RangeError',
        message:
          /^upgradeDriver: driver 999 is newer than the simulator knows: its branches are 450 to \d+\. Nothing was changed\.$/
      }
    ],
    [
      '515',
      {
        name: 'RangeError',
        message: 'upgradeDriver: H100-SXM5-80GB needs driver 525.53 or later: 515.86.01 does not know it. Nothing was changed.'
      }
    ],
    [570, { name: 'TypeError', message: "upgradeDriver: driver is a string such as '570', not 570" }],
    [undefined, { name: 'TypeError', message: "upgradeDriver: driver is a string such as '570', not undefined" }]
  ]
  for (const [driver, error] of wrong) t.throws(() => node.upgradeDriver(driver as string), error)
  t.same(files(), before)
  t.same(readdirSync(node.dir).sort(), NODE)
  await node.close()
  t.throws(() => node.upgradeDriver('570'), { code: 'CLOSED' })
  t.notOk(existsSync(node.dir))
})

t.test('a library has one place for its release', async t => {
  const marker = 'nvml-mig: a library of release:\0'
  const built = readFileSync(builtLibrary())
  const at = built.indexOf(marker)
  const without = Buffer.from(built)
  without.fill(0, at, at + marker.length)
  const twice = Buffer.concat([built, Buffer.from(marker)])
  for (const library of [without, twice])
    t.throws(() => libraryOf(findRelease('550'), library), /no place for the release that it is of, or more than one/)
})
