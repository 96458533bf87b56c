/** A session over months: it begins before there is a driver, lets go of it for an upgrade, and says when NVML is slow. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { type NvmlCall, open, type SlowCall } from '../lib/index.js'
import { simulate } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'

/** Whether this process has anything of a file: mapped, or open. */
const holds = (file: string): boolean =>
  readFileSync('/proc/self/maps', 'utf8').includes(file) ||
  readdirSync('/proc/self/fd').some(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(file)
    } catch {
      return false // the listing's own
    }
  })

const LONG = 60_000

t.test('an agent starts before the driver', async t => {
  const dir = join(t.testdir(), 'node')
  const library = join(dir, 'libnvidia-ml.so.1')
  const early = open({ library, wait: LONG })
  await t.rejects(open({ library, wait: 1 }), { code: 'LIBRARY_NOT_FOUND' }, 'nobody waits for longer than asked')
  const node = await simulate({ gpus: ['A100-SXM4-40GB'], dir })
  const nvml = await early
  t.equal(nvml.info.driverVersion, node.driver)
  await nvml.close()

  node.upgradeDriver('570')
  const waiting = open({ library, root: node.root, wait: LONG })
  await t.rejects(open({ library, root: node.root }), { code: 'LIB_RM_VERSION_MISMATCH' })
  node.reloadDriver()
  const after = await waiting
  t.equal(after.info.driverVersion, '570.148.08', 'a driver that does not fit is waited for, too')
  await after.close()
  await node.close()

  const denied = await simulate({ gpus: ['A100-SXM4-40GB'], faults: [{ call: 'nvmlInit_v2', returns: 'NO_PERMISSION' }] })
  t.teardown(() => denied.close())
  await t.rejects(open({ library: denied.library, wait: LONG }), { code: 'NO_PERMISSION' }, 'what time does not cure is said')
})

t.test('suspend() leaves nothing of the library in the process', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const mig = await nvml.gpu(0).create('3g.20gb')
  t.ok(holds(node.library))
  const asked = nvml.gpu(0).devices()
  const suspended = nvml.suspend()
  await t.rejects(nvml.gpu(0).devices(), { code: 'SUSPENDED', message: /^cannot list the MIG devices of GPU 0: .*resume\(\)/ })
  t.same(await suspended, { released: true, otherSessions: 0 })
  t.match(await asked, [{ uuid: mig.uuid }], 'what was asked before is answered')
  t.notOk(holds(node.dir), 'neither mapped nor open')
  t.same(await nvml.suspend(), { released: true, otherSessions: 0 }, 'the second time nothing happens')
  await t.rejects(mig.destroy(), { code: 'SUSPENDED' })

  const [gpu] = nvml.gpus
  await nvml.resume()
  t.equal(nvml.gpu(0), gpu, 'a GPU stays the object that it was')
  await mig.destroy()
  await nvml.resume()
  t.same(await nvml.gpu(0).devices(), [], 'a session that is not suspended is not resumed')
  node.check()
})

t.test('other sessions of the process, in whatever thread, keep the library', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] })
  const second = await open({ library: node.library })
  const source = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { open } = await import(workerData.module)
    const nvml = await open({ library: workerData.library })
    parentPort.postMessage('open')
    parentPort.once('message', async () => { await nvml.close(); parentPort.postMessage('closed') })`
  const module = new URL('../dist/index.js', import.meta.url).href
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { module, library: node.library },
    execArgv: []
  })
  const says = () => new Promise(resolve => worker.once('message', resolve))
  t.equal(await says(), 'open')
  t.same(await nvml.suspend(), { released: false, otherSessions: 2 })
  t.same(await second.suspend(), { released: false, otherSessions: 1 })
  await nvml.resume()
  t.same(await nvml.suspend(), { released: false, otherSessions: 1 })
  const closed = says()
  worker.postMessage('close')
  t.equal(await closed, 'closed')
  await nvml.resume()
  t.same(await nvml.suspend(), { released: true, otherSessions: 0 })
  t.notOk(holds(node.dir))
  await second.close()
  await worker.terminate()
})

t.test('the driver is upgraded under a session that is suspended meanwhile', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'A30'], driver: '450' })
  await nvml.gpu(0).setMigMode(true)
  const gpu = nvml.gpu(0)
  const { uuid } = gpu
  t.equal(gpu.name, 'A100-SXM4-40GB')
  t.equal((await gpu.profiles()).length, 5, 'as recorded under R450')
  const mig = await gpu.create('1g.5gb')
  await nvml.suspend()
  node.upgradeDriver('550')
  await t.rejects(nvml.resume(), { code: 'LIB_RM_VERSION_MISMATCH' }, 'too early')
  await t.rejects(gpu.migMode(), { code: 'SUSPENDED' })
  t.notOk(holds(node.dir))
  node.reloadDriver()
  await nvml.resume()
  t.equal(nvml.info.driverVersion, '550.163.01')
  t.equal(nvml.gpu(uuid), gpu)
  t.equal(gpu.name, 'NVIDIA A100-SXM4-40GB', 'what the new driver calls it')
  t.equal((await gpu.profiles()).length, 7, 'and what it knows of it')
  t.same(await gpu.devices(), [])
  await t.rejects(mig.destroy(), { code: 'NOT_FOUND' }, 'the reload has ended the instances')
  t.equal((await nvml.snapshot()).driver.version, '550.163.01')
})

t.test('a GPU is gone when the session is resumed, and another one is there', async t => {
  const dir = join(t.testdir(), 'node')
  const two = await simulate({ gpus: ['A100-SXM4-40GB', 'A30'], dir })
  const nvml = await open({ library: two.library })
  t.teardown(() => nvml.close())
  const [a100, a30] = nvml.gpus
  await nvml.suspend()
  two.inject({ call: 'nvmlDeviceGetHandleByUUID', nth: 2, returns: 'NOT_FOUND' })
  await nvml.resume()
  t.equal(nvml.gpus.length, 2)
  t.equal(a100!.unavailable, null)
  t.match(a30, { index: 1, name: 'NVIDIA A30', unavailable: { code: 'NOT_FOUND', call: 'nvmlDeviceGetHandleByUUID' } })
  await nvml.suspend()
  await nvml.resume()
  t.equal(a30!.unavailable, null, 'and back the next time')
  await two.close()
})

t.test('close() ends a suspended session', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] })
  await nvml.suspend()
  await nvml.close()
  await t.rejects(nvml.resume(), { code: 'CLOSED' })
  await t.rejects(nvml.suspend(), { code: 'CLOSED' })
  t.notOk(holds(node.dir))

  const second = await open({ library: node.library })
  const suspended = second.suspend()
  const closed = second.close()
  await Promise.all([suspended, closed])
  t.notOk(holds(node.dir), 'at once, too')
})

t.test('a call that hangs in the driver is reported, and others go on', async t => {
  const { node } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const reports: SlowCall[] = []
  let told: ((slow: SlowCall) => void) | undefined
  const report = new Promise<SlowCall>(resolve => {
    told = resolve
  })
  const slow = await open({
    library: node.library,
    slowMs: 20,
    onSlow: each => {
      reports.push(each)
      told?.(each)
    }
  })
  t.teardown(() => slow.close())
  await slow.gpu(0).instances()
  const fault = node.inject({ call: 'nvmlDeviceCreateGpuInstance', hangs: true })
  const created = slow.gpu(0).create('1g.5gb')
  const behind = slow.gpu(0).migMode()
  const { runningMs, ...rest } = await report
  t.same(rest, { call: 'nvmlDeviceCreateGpuInstance', doing: 'create a 1g.5gb MIG device on GPU 0', gpu: 0 })
  t.ok(runningMs >= 20)
  const other = await open({ library: node.library })
  t.match(await other.gpu(0).migMode(), { current: true }, 'another session is not held up')
  await other.close()
  fault.remove()
  t.match(await created, { profile: '1g.5gb' })
  t.match(await behind, { current: true })
  t.equal(reports.length, 1, 'once')
})

t.test('an init that hangs is reported, too', async t => {
  const node = await simulate({ gpus: ['A30'] })
  t.teardown(() => node.close())
  const fault = node.inject({ call: 'nvmlInit_v2', hangs: true })
  const nvml = await open({
    library: node.library,
    slowMs: 10,
    onSlow: slow => {
      t.match(slow, { call: 'nvmlInit_v2', doing: 'open NVML', gpu: undefined })
      fault.release()
    }
  })
  await nvml.close()
})

t.test('every call of NVML is published to who listens', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] })
  const heard: NvmlCall[] = []
  const listener = (message: unknown) => heard.push(message as NvmlCall)
  await nvml.gpu(0).migMode()
  subscribe('nvml-mig:call', listener)
  t.teardown(() => unsubscribe('nvml-mig:call', listener))
  await nvml.gpu(0).migMode()
  t.match(heard, [
    { session: Number, call: 'nvmlDeviceGetMigMode', code: 'SUCCESS', status: 0, doing: 'read the MIG mode of GPU 0', gpu: 0 }
  ])
  t.equal(heard.length, 1, 'none of before')
  t.ok(heard[0]!.durationMs > 0 && heard[0]!.durationMs < LONG)

  heard.length = 0
  node.inject({ call: 'nvmlDeviceGetGpuInstanceProfileInfoV', returns: 'UNKNOWN' })
  const before = node.calls('nvmlDeviceGetGpuInstanceProfileInfoV')
  await t.rejects(nvml.gpu(0).profiles(), { code: 'UNKNOWN' })
  t.same(
    heard.map(({ call, code, status }) => ({ call, code, status })),
    Array(node.calls('nvmlDeviceGetGpuInstanceProfileInfoV') - before).fill({
      call: 'nvmlDeviceGetGpuInstanceProfileInfoV',
      code: 'UNKNOWN',
      status: 999
    }),
    'those that fail, as often as the simulator counts'
  )

  heard.length = 0
  t.match(
    await nvml.snapshot(),
    { gpus: [{ name: 'NVIDIA A30', profiles: null }] },
    'what listening adds to an answer is not taken for it'
  )
  t.ok(heard.length > 10)

  heard.length = 0
  await nvml.suspend()
  await nvml.resume()
  const calls = heard.map(({ call }) => call)
  t.same(calls.slice(0, 2), ['nvmlShutdown', 'nvmlInit_v2'])
  t.ok(calls.includes('nvmlDeviceGetCount_v2'))
  unsubscribe('nvml-mig:call', listener)
  heard.length = 0
  await nvml.gpu(0).migMode()
  t.same(heard, [])
})

t.test('wrong options are sentences', async t => {
  await t.rejects(open({ wait: -1 }), { message: 'open: wait is a whole number from 0 on, not -1' })
  await t.rejects(open({ wait: 2 ** 31 }), { message: 'open: wait is at most 2147483647, not 2147483648' })
  // @ts-expect-error no function
  await t.rejects(open({ onSlow: true }), { name: 'TypeError', message: /^open: onSlow is a function/ })
  await t.rejects(open({ slowMs: 0 }), { name: 'RangeError', message: 'open: slowMs is at least 1' })
  const { nvml } = await openNode(t, { gpus: ['A30'] })
  // @ts-expect-error no such option
  await t.rejects(nvml.resume({ waitMs: 1 }), { message: /waitMs/ })
})
