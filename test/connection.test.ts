/** What a session makes of answers that a healthy node does not give: a library whose calls fail or wait on demand. */
import t, { type Test } from 'tap'
import { type OpenOptions, open, type Session } from '../lib/index.js'
import { Fixture } from './addon/fixture.js'

const NOT_SUPPORTED = 3
const NO_PERMISSION = 4

// The fixture's newest form of profiles gives all of them one name, which is no profile name at all.
const ARITHMETIC = { without: ['nvmlDeviceGetGpuInstanceProfileInfoV'] }

async function openFixture(t: Test, answers: Record<string, number> = {}, options: OpenOptions = {}, release = ARITHMETIC) {
  const fixture = new Fixture(t.testdir(), release)
  for (const [name, code] of Object.entries(answers)) fixture.answer(name, code)
  const nvml = await open({ library: fixture.library, ...options })
  t.teardown(() => nvml.close().catch(() => undefined))
  return { fixture, nvml, gpu: nvml.gpu(0) }
}

t.test('NVML does not start', async t => {
  const { library } = new Fixture(t.testdir())
  t.ok(library)
  const cases: [code: number, expected: { code: string; message: RegExp; hint?: RegExp }][] = [
    [
      9,
      {
        code: 'DRIVER_NOT_LOADED',
        message: /^nvmlInit_v2: cannot open NVML: the kernel driver is not loaded/,
        hint: /modprobe nvidia/
      }
    ],
    [4, { code: 'NO_PERMISSION', message: /this user may not do that/, hint: /nvidiactl/ }],
    [
      18,
      { code: 'LIB_RM_VERSION_MISMATCH', message: /of different releases/, hint: /The driver was upgraded under a loaded module/ }
    ],
    [999, { code: 'UNKNOWN', message: /an error it has no name for/, hint: /In a container/ }],
    [77, { code: 'UNKNOWN', message: /NVML answers 77, a code newer than this package/ }]
  ]
  for (const [status, expected] of cases) {
    const error = { name: 'NvmlError', status, call: 'nvmlInit_v2', ...expected }
    await t.rejects(openFixture(t, { nvmlInit_v2: status }, { root: t.testdirName }), error)
  }
  const version = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Sat Feb 17 22:55:48 UTC 2024\n'
  const fixture = new Fixture(t.testdir({ proc: { driver: { nvidia: { version } } } }))
  fixture.answer('nvmlInit_v2', 18)
  await t.rejects(open({ library: fixture.library, root: fixture.dir }), {
    code: 'LIB_RM_VERSION_MISMATCH',
    hint: /^The loaded kernel module is 535\.161\.08, the library is not: reload the nvidia modules, or restart the machine\. /
  })
})

t.test('what a library does not tell is null', async t => {
  const { nvml, gpu } = await openFixture(t)
  t.equal(nvml.info.cudaVersion, null)
  t.match(gpu, { serial: null, minorNumber: null, architecture: null, memoryMiB: 8192, unavailable: null })
})

t.test('a GPU that cannot be opened is listed with the reason', async t => {
  const { gpu } = await openFixture(t, { nvmlDeviceGetHandleByIndex_v2: 15 })
  const why = { code: 'GPU_IS_LOST', status: 15, call: 'nvmlDeviceGetHandleByIndex_v2' }
  t.same(gpu.unavailable, why)
  t.match(gpu, { index: 0, uuid: '', name: '', pciBusId: '', memoryMiB: null, migCapable: false })
  await t.rejects(gpu.migMode(), { name: 'NvmlError', ...why, gpu: 0, hint: /Xid/ })
})

t.test('codes newer than this package', async t => {
  const { fixture, gpu } = await openFixture(t)
  fixture.answer('nvmlDeviceGetMigMode', 77)
  await t.rejects(gpu.migMode(), { code: 'UNKNOWN', status: 77, call: 'nvmlDeviceGetMigMode' })
})

t.test('a MIG device is both instances, or neither', async t => {
  const { fixture, gpu } = await openFixture(t)
  await gpu.setMigMode(true)
  fixture.answer('nvmlGpuInstanceCreateComputeInstance', 23)
  await t.rejects(gpu.create('1g.1gb'), { code: 'INSUFFICIENT_RESOURCES', call: 'nvmlGpuInstanceCreateComputeInstance' })
  t.same(await gpu.instances(), [], 'the GPU instance was destroyed again')
  fixture.answer('nvmlGpuInstanceDestroy', 19)
  await t.rejects(gpu.create('1g.1gb'), {
    name: 'SessionError',
    code: 'UNDO_FAILED',
    message:
      /^cannot create a 1g\.1gb MIG device on GPU 0: a part of it was created .*\(nvmlGpuInstanceDestroy\)\. gpu\.instances\(\) lists it\.$/
  })
  t.equal((await gpu.instances()).length, 1, 'as it says')
})

t.test('a compute profile that is listed and refused gives way to its twin', async t => {
  const { fixture, gpu } = await openFixture(t)
  await gpu.setMigMode(true)
  const gi = await gpu.createGpuInstance(0)
  t.match(await gi.profiles(), [{ id: 0 }, { id: 4, slices: 7 }, { id: 8, slices: 7 }])
  for (const written of [undefined, gi.profile]) {
    const ci = await gi.createComputeInstance(written)
    t.match(ci, { profileId: 8, profile: gi.profile })
    await ci.destroy()
  }
  await t.rejects(gi.createComputeInstance(4), { code: 'NOT_SUPPORTED' }, 'a number means that one')
  fixture.answer('nvmlGpuInstanceCreateComputeInstance', 23)
  fixture.forgetCalls()
  await t.rejects(gi.createComputeInstance(), { code: 'INSUFFICIENT_RESOURCES' })
  const tries = fixture.calls().filter(call => call === 'nvmlGpuInstanceCreateComputeInstance')
  t.equal(tries.length, 1, 'no other refusal is tried again')
})

t.test('names that cannot be taken apart', async t => {
  const { gpu } = await openFixture(t, {}, {}, { without: [] })
  await gpu.setMigMode(true)
  t.match(await gpu.profiles(), [{ name: 'newest' }, { name: 'newest' }, { name: 'newest' }])
  const gi = await gpu.createGpuInstance(0)
  t.match(await gi.createComputeInstance('1c.newest'), { profileId: 0, profile: '1c.newest' })
  t.match(await gpu.devices(), [{ profile: '1c.newest' }])
})

t.test('no profile is listed', async t => {
  const { fixture, gpu } = await openFixture(t, { nvmlDeviceGetGpuInstanceProfileInfo: NOT_SUPPORTED })
  const refused = {
    name: 'NvmlError',
    code: 'NOT_SUPPORTED',
    call: 'nvmlDeviceGetGpuInstanceProfileInfo',
    hint: /MIG mode is off/
  }
  await t.rejects(gpu.profiles(), refused)
  await t.rejects(gpu.placements('1g.1gb'), refused)
  await t.rejects(gpu.createGpuInstance('1g.1gb'), refused)
  await gpu.setMigMode(true)
  fixture.answer('nvmlDeviceGetGpuInstanceProfileInfo', null)
  const gi = await gpu.createGpuInstance('1g.1gb')
  t.ok(gi, 'old drivers list them once MIG is on')
  fixture.answer('nvmlGpuInstanceGetComputeInstanceProfileInfo', NOT_SUPPORTED)
  for (const name of [undefined, '1g.1gb']) {
    await t.rejects(gi.createComputeInstance(name), {
      code: 'NOT_SUPPORTED',
      call: 'nvmlGpuInstanceGetComputeInstanceProfileInfo'
    })
  }
})

t.test('a MIG device of which little can be read', async t => {
  const { fixture, gpu } = await openFixture(t)
  await gpu.setMigMode(true)
  const whole = await gpu.create('1g.1gb')
  t.not(whole.multiprocessors, null)
  fixture.answer('nvmlDeviceGetAttributes_v2', NOT_SUPPORTED)
  t.match(await gpu.devices(), [{ multiprocessors: null, engines: null, memoryMiB: 1024 }])
  fixture.answer('nvmlDeviceGetMemoryInfo', NO_PERMISSION)
  t.match(await gpu.devices(), [{ memoryMiB: null, uuid: whole.uuid }])
})

t.test('profile names where the memory of the GPU cannot be read', async t => {
  const { gpu } = await openFixture(t, { nvmlDeviceGetMemoryInfo: NO_PERMISSION })
  t.equal(gpu.memoryMiB, null)
  const names = (await gpu.profiles()).map(({ name }) => name)
  t.equal(names.length, 3)
  t.ok(
    names.every(name => /^\dg\.\d+gb(\+me)?$/.test(name)),
    names.join(' ')
  )
})

t.test('profiles that could not be read are read again', async t => {
  const { fixture, gpu } = await openFixture(t, { nvmlDeviceGetGpuInstanceProfileInfo: NO_PERMISSION })
  await gpu.setMigMode(true)
  await t.rejects(gpu.create('1g.1gb'), { code: 'NO_PERMISSION', message: /cannot read the profiles of GPU 0/ })
  fixture.answer('nvmlDeviceGetGpuInstanceProfileInfo', null)
  t.ok(await gpu.create('1g.1gb'))
})

t.test('NVML does not shut down', async t => {
  const { fixture, nvml, gpu } = await openFixture(t)
  fixture.answer('nvmlShutdown', 999)
  const refused = { name: 'NvmlError', code: 'UNKNOWN', call: 'nvmlShutdown', message: /cannot shut NVML down/ }
  await t.rejects(nvml.close(), refused)
  await t.rejects(nvml.close({ timeoutMs: 1000 }), refused, 'the second close says the same')
  await t.rejects(gpu.migMode(), { code: 'CLOSED' }, 'closed all the same')
})

t.test('close does not wait longer than it was told', async t => {
  const { fixture, nvml, gpu } = await openFixture(t)
  const hold = fixture.hold('nvmlDeviceSetMigMode')
  const running = gpu.setMigMode(true)
  const waiting = gpu.migMode()
  await hold.entered
  const ends = Promise.all([nvml.close(), nvml.close({ timeoutMs: 20 })])
  const abandoned = { name: 'SessionError', code: 'ABANDONED' }
  await t.rejects(running, {
    ...abandoned,
    message: 'close() ran out of time before it could enable MIG on GPU 0; whether that took effect is unknown'
  })
  await t.rejects(waiting, abandoned)
  await ends
  await t.rejects(gpu.migMode(), { code: 'CLOSED' })
  await hold.release()
})

t.test('await using waits for what runs', async t => {
  const { fixture } = await openFixture(t)
  let session: Session
  let running: Promise<unknown>
  {
    await using nvml = await open({ library: fixture.library })
    session = nvml
    running = nvml.gpu(0).migMode()
  }
  t.match(await running, { current: false })
  await t.rejects(session.gpu(0).migMode(), { code: 'CLOSED' })
})
