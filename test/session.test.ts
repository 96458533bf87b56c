/** A session: what answers it, its GPUs, finding devices, its end. */
import t from 'tap'
import { type MigDevice, open, type Session } from '../lib/index.js'
import { simulate } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'
import { changesAsked, refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

t.test('info', async t => {
  const { node, nvml } = await openNode(t, A100)
  t.equal(nvml.info.library, node.library)
  t.match(nvml.info, { driverVersion: /^550\./, nvmlVersion: /^12\.550\./, cudaVersion: '12.4' })
  t.equal(nvml.info.driverVersion, node.driver)
})

t.test('GPUs by reference', async t => {
  const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2', 'A30'] })
  t.ok(Object.isFrozen(nvml.gpus))
  for (const gpu of nvml.gpus) {
    const short = gpu.pciBusId.slice(4).toLowerCase()
    for (const ref of [
      gpu.index,
      gpu.uuid,
      gpu.uuid.toUpperCase(),
      gpu.pciBusId,
      gpu.pciBusId.toLowerCase(),
      short,
      short.slice(5)
    ]) {
      t.equal(nvml.gpu(ref), gpu, String(ref))
    }
  }
  const list = nvml.gpus.map(gpu => `${gpu.index} (${gpu.uuid}, ${gpu.pciBusId})`).join(', ')
  t.throws(() => nvml.gpu(3), new RangeError(`there is no GPU 3; there is ${list}`))
  t.throws(() => nvml.gpu(-1), RangeError)
  t.throws(() => nvml.gpu('GPU-x'), new RangeError(`there is no GPU 'GPU-x'; there is ${list}`))
  t.throws(() => nvml.gpu('MIG-x'), new RangeError("there is no GPU 'MIG-x'; that is a MIG device: see find(ref)"))
  t.throws(() => nvml.gpu('ffff:ff:1f.7'), RangeError)
  t.throws(() => nvml.gpu(''), RangeError)
  t.throws(() => nvml.gpu('0'), new TypeError("the index of a GPU is a number: gpu(0), not gpu('0')"))
  // @ts-expect-error a GPU is not its own name
  t.throws(() => nvml.gpu(nvml.gpus[0]), {
    name: 'TypeError',
    message: /^a GPU is named by its index, UUID or PCI bus id, not by /
  })
  // @ts-expect-error something must be named
  t.throws(() => nvml.gpu(), TypeError)
  // @ts-expect-error the list does not change
  t.throws(() => nvml.gpus.push(nvml.gpus[0]), TypeError)
})

t.test('find', async t => {
  const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] }, { mig: true })
  const gpu = nvml.gpu(1)
  const gi = await gpu.createGpuInstance('3g.20gb')
  await gi.createComputeInstance('1c.3g.20gb')
  const device = await (await gi.createComputeInstance('2c.3g.20gb')).device()
  const { uuid, gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } = device
  for (const ref of [
    uuid,
    uuid.toLowerCase().replace('mig-', 'MIG-'),
    `MIG-${gpu.uuid}/${gpuInstance}/${computeInstance}`,
    { gpu: 1, gpuInstance, computeInstance },
    { gpu: gpu.uuid, gpuInstance, computeInstance },
    { gpu: gpu.pciBusId, gpuInstance, computeInstance }
  ]) {
    const found = await nvml.find(ref)
    t.match(
      found,
      { uuid, gpuInstanceId: gpuInstance, computeInstanceId: computeInstance, profile: '2c.3g.20gb' },
      JSON.stringify(ref)
    )
    t.equal((found as MigDevice).gpu, gpu)
  }

  for (const ref of [
    'MIG-00000000-0000-0000-0000-000000000000',
    `MIG-${gpu.uuid}/${gpuInstance}/5`,
    `MIG-${gpu.uuid}/9/0`,
    { gpu: 1, gpuInstance, computeInstance: 5 },
    { gpu: 0, gpuInstance, computeInstance }
  ]) {
    t.equal(await nvml.find(ref), undefined, JSON.stringify(ref))
  }
  await device.destroy()
  t.equal(await nvml.find(uuid), undefined, 'it is gone')
  await (await gi.computeInstances())[0]?.destroy()
  await gi.destroy()
  await gpu.setMigMode(false)
  t.equal(await nvml.find({ gpu: 1, gpuInstance, computeInstance }), undefined, 'MIG is off')

  const [first] = nvml.gpus
  t.equal(await nvml.find(gpu.uuid), gpu)
  t.equal(await nvml.find(gpu.uuid.toUpperCase()), gpu)
  t.equal(await nvml.find(gpu.uuid.slice(0, 14)), gpu, 'as much of it as tells it from the others')
  t.equal(await nvml.find(`${gpu.uuid},-1`), gpu, 'as CUDA reads it')
  t.equal(await nvml.find(gpu.pciBusId), gpu)
  t.equal(await nvml.find('00:00.0'), undefined)
  t.equal(await nvml.find('GPU-00000000-0000-0000-0000-000000000000'), undefined)
  await t.rejects(nvml.find(`${first!.uuid},${gpu.uuid}`), { name: 'RangeError', message: /^find takes one device; .* names 2$/ })
  await t.rejects(nvml.find(`${first!.uuid},${uuid}`), { name: 'RangeError', message: /A CUDA process uses one MIG device/ })
  await t.rejects(nvml.find('MIG-1'), {
    name: 'RangeError',
    message: /'MIG-1' names no device: they are GPU-<uuid>, MIG-<uuid> or /
  })
  await t.rejects(nvml.find('1'), {
    name: 'RangeError',
    message: /^a device is named by its UUID .* or a GPU's PCI bus id, not '1'$/
  })
  await t.rejects(nvml.find({ gpu: 7, gpuInstance: 0, computeInstance: 0 }), { name: 'RangeError', message: /there is no GPU 7/ })
  // @ts-expect-error all three are needed
  await t.rejects(nvml.find({ gpu: 0, gpuInstance: 1 }), {
    name: 'TypeError',
    message: 'find: computeInstance is a number, not undefined'
  })
  // @ts-expect-error there is no such id
  await t.rejects(nvml.find({ gpu: 0, gi: 1, ci: 0 }), { name: 'TypeError', message: /find has no option 'gi'/ })
  // @ts-expect-error an index alone names no MIG device
  await t.rejects(nvml.find(0), {
    name: 'TypeError',
    message: 'find takes a name like MIG-… or GPU-…, or { gpu, gpuInstance, computeInstance }, not 0'
  })
})

t.test('read only', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  await nvml.gpu(0).create('3g.20gb')
  const reader = await open({ library: node.library, root: node.root, readOnly: true })
  t.teardown(() => reader.close())
  const gpu = reader.gpu(0)
  const [gi] = await gpu.instances()
  const [ci] = await gi!.computeInstances()
  const [mig] = await gpu.devices()
  const asks = changesAsked(node)
  const refused = {
    name: 'SessionError',
    code: 'READ_ONLY',
    message: /^cannot .* on GPU 0: the session was opened with \{ readOnly: true \}$|GPU 0: the session/
  }
  for (const call of [
    () => gpu.setMigMode(false),
    () => gpu.createGpuInstance('1g.5gb'),
    () => gpu.create('1g.5gb', { start: 5 }),
    () => gi!.createComputeInstance(),
    () => gi!.destroy(),
    () => gi!.destroy({ force: true }),
    () => ci!.destroy(),
    () => mig!.destroy()
  ]) {
    await refuses(t, { node, nvml }, call, refused)
  }
  t.equal(changesAsked(node), asks)
  t.equal((await gpu.devices()).length, 1, 'reading goes on')
})

t.test('a closed session', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const session = await open({ library: node.library })
  const gpu = session.gpu(0)
  const mig = await gpu.create('3g.20gb')
  const [gi] = await gpu.instances()
  const [ci] = await gi!.computeInstances()
  const before = gpu.profiles()
  const ended = session.close()
  t.match(await before, { length: 7 }, 'what was asked before is answered')
  await ended
  await session.close()
  const closed = { name: 'SessionError', code: 'CLOSED', message: /^cannot .*: the session is closed$/ }
  for (const call of [
    () => gpu.migMode(),
    () => gpu.setMigMode(false),
    () => gpu.profiles(),
    () => gpu.placements('1g.5gb'),
    () => gpu.instances(),
    () => gpu.devices(),
    () => gpu.createGpuInstance('1g.5gb'),
    () => gpu.create('1g.5gb'),
    () => gi!.profiles(),
    () => gi!.placements('3g.20gb'),
    () => gi!.createComputeInstance(),
    () => gi!.computeInstances(),
    () => gi!.destroy(),
    () => ci!.device(),
    () => ci!.destroy(),
    () => mig.gpuInstance(),
    () => mig.destroy(),
    () => session.find(mig.uuid)
  ]) {
    await refuses(t, { node, nvml }, call, closed)
  }
  t.equal(session.gpu(0), gpu, 'what is in memory stays')
  t.equal((await nvml.gpu(0).devices()).length, 1, 'other sessions go on')
})

t.test('methods take effect in the order they are called, however often each asks', async t => {
  const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  // The first create of a session reads the profiles before it creates; what follows must not overtake it.
  const created = gpu.createGpuInstance('3g.20gb', { start: 0 })
  const listed = gpu.instances()
  const instance = await created
  t.same(
    (await listed).map(({ id }) => id),
    [instance.id]
  )
  const compute = instance.createComputeInstance()
  const destroyed = instance.destroy()
  t.equal((await compute).id, 0)
  await t.rejects(destroyed, { code: 'IN_USE' })
  const gone = Promise.all([instance.destroy({ force: true }), gpu.devices()])
  t.same((await gone)[1], [])
  const refused = gpu.create('9g.90gb')
  const after = gpu.migMode()
  await t.rejects(refused, { code: 'UNKNOWN_PROFILE' })
  t.ok((await after).current, 'a refusal holds nothing up')
})

t.test('a close waits for all of a method called before it', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
  const created = nvml.gpu(0).create('1g.5gb')
  const listed = nvml.gpu(0).devices()
  const closed = nvml.close()
  await t.rejects(nvml.gpu(0).migMode(), { code: 'CLOSED' })
  const { uuid } = await created
  t.same(
    (await listed).map(device => device.uuid),
    [uuid]
  )
  await closed
  const second = await open({ library: node.library })
  t.teardown(() => second.close())
  t.ok(await second.find(uuid), 'what was created is there')
})

t.test('await using closes', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  let session: Session
  {
    await using nvml = await open({ library: node.library })
    session = nvml
    t.match(await nvml.gpu(0).migMode(), { current: false })
  }
  await t.rejects(session.gpu(0).migMode(), { code: 'CLOSED' })
})

t.test('close options', async t => {
  const { nvml } = await openNode(t, A100)
  // @ts-expect-error milliseconds are a number
  await t.rejects(nvml.close({ timeoutMs: '5' }), new TypeError("close: timeoutMs is a number, not '5'"))
  await t.rejects(nvml.close({ timeoutMs: -5 }), RangeError)
  await t.rejects(nvml.close({ timeoutMs: 2 ** 31 }), new RangeError(`close: timeoutMs is at most 2147483647, not ${2 ** 31}`))
  // @ts-expect-error there is no such option
  await t.rejects(nvml.close({ timeout: 5 }), { name: 'TypeError', message: /did you mean 'timeoutMs'/ })
  t.ok(await nvml.gpu(0).migMode(), 'a refused close closes nothing')
  await nvml.close({ timeoutMs: 10_000 })
})

t.test('calls run in the order they were made', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  await gpu.profiles()
  const made = await Promise.all(Array.from({ length: 7 }, () => gpu.create('1g.5gb')))
  t.same(
    made.map(({ placement }) => placement?.start),
    [6, 4, 5, 0, 1, 2, 3],
    'the order in which the driver fills an empty board'
  )
})
