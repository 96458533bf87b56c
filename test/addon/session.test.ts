/** What holds for every session, whatever it is asked: order, close, abandon, and who may open what. */
import { readdirSync } from 'node:fs'
import { relative } from 'node:path'
import t from 'tap'
import { binding } from '../../lib/binding.js'
import {
  decodeFailure,
  decodeGpu,
  decodeMigMode,
  decodeSessionInfo,
  failureBytes,
  gpuBytes,
  migModeBytes,
  NONE,
  Operation,
  resultHeaderBytes,
  SessionStatus,
  sessionInfoBytes
} from '../../lib/records.js'
import { Fixture, openSession, outcome, threadCount } from './fixture.js'

const threads = (): number => readdirSync('/proc/self/task').length
const noop = (session: number): Promise<ArrayBuffer> => binding().call(session, Operation.noop, [])
const migMode = (session: number): Promise<ArrayBuffer> => binding().call(session, Operation.migMode, [0])
const status = async (answer: Promise<ArrayBuffer>): Promise<number> => outcome(await answer).status

t.test('open tells which library answered and which GPUs it has', async t => {
  const { library } = new Fixture(t.testdir())
  const buffer = await binding().open(library)
  const info = decodeSessionInfo(new DataView(buffer), resultHeaderBytes)
  t.match(info, { library, driverVersion: 'fixture', nvmlVersion: '', cudaDriverVersion: NONE })
  const { records } = outcome(buffer, decodeGpu, gpuBytes, resultHeaderBytes + sessionInfoBytes)
  t.match(records, [
    {
      ...{ index: 0, status: 0, name: 'Imaginary GPU', uuid: 'GPU-00000000-0000-4000-8000-000000000001' },
      ...{ migCapable: 1, memoryTotalBytes: 8 * 2 ** 30, serial: '', minorNumber: NONE, architecture: NONE }
    }
  ])
  t.equal(await status(binding().close(info.session)), 0)
})

t.test('a relative path is a file, not something for the loader to search', async t => {
  const { library } = new Fixture(t.testdir())
  const buffer = await binding().open(relative(process.cwd(), library))
  const info = decodeSessionInfo(new DataView(buffer), resultHeaderBytes)
  t.equal(info.library, library)
  await binding().close(info.session)
  const bare = await binding().open('libnvidia-ml.so.1')
  t.equal(outcome(bare).status, SessionStatus.libraryNotFound)
  t.match(outcome(bare, decodeFailure, failureBytes).records[0]!.text, `${process.cwd()}/libnvidia-ml.so.1: cannot open`)
})

t.test('a library that is not there, or not NVML, starts no thread and no process', async t => {
  const fixture = new Fixture(t.testdir({ 'text.so': 'not a library' }), { without: ['nvmlInit_v2'] })
  await noop(0)
  const before = threads()
  const missing = await binding().open(`${fixture.dir}/missing.so`)
  t.equal(threads(), before)
  t.equal(outcome(missing).status, SessionStatus.libraryNotFound)
  t.match(outcome(missing, decodeFailure, failureBytes).records[0]!.text, `${fixture.dir}/missing.so`)

  const text = await binding().open(`${fixture.dir}/text.so`)
  t.equal(outcome(text).status, SessionStatus.libraryNotFound)
  t.match(outcome(text, decodeFailure, failureBytes).records[0]!.text, 'text.so: file too short')

  const other = await binding().open(fixture.library)
  t.equal(outcome(other).status, SessionStatus.notNvml)
  t.match(outcome(other, decodeFailure, failureBytes).records[0]!.text, `${fixture.library} has no function nvmlInit_v2`)
  t.strictSame(fixture.calls(), ['unloaded'])
  t.equal(threads(), before)
})

t.test('when NVML does not initialise, its code comes back and nothing stays open', async t => {
  const fixture = new Fixture(t.testdir())
  fixture.answer('nvmlInit_v2', 9)
  const before = threads()
  t.match(outcome(await binding().open(fixture.library)), { status: 9, call: 'nvmlInit_v2' })
  t.strictSame(fixture.calls(), ['nvmlInit_v2', 'unloaded'])
  await threadCount(before, threads)
})

t.test('when the GPUs cannot be counted, NVML is shut down again', async t => {
  const fixture = new Fixture(t.testdir())
  fixture.answer('nvmlDeviceGetCount_v2', 999)
  t.match(outcome(await binding().open(fixture.library)), { status: 999, call: 'nvmlDeviceGetCount_v2' })
  t.strictSame(fixture.calls().slice(-2), ['nvmlShutdown', 'unloaded'])
})

t.test('a GPU that cannot be opened is listed with the reason, and tried again when it is used', async t => {
  const fixture = new Fixture(t.testdir())
  fixture.answer('nvmlDeviceGetHandleByIndex_v2', 15)
  const buffer = await binding().open(fixture.library)
  const { session } = decodeSessionInfo(new DataView(buffer), resultHeaderBytes)
  const [gpu] = outcome(buffer, decodeGpu, gpuBytes, resultHeaderBytes + sessionInfoBytes).records
  t.match(gpu, { index: 0, status: 15, uuid: '', name: '', memoryTotalBytes: 0 })
  t.equal(binding().symbols()[gpu!.call], 'nvmlDeviceGetHandleByIndex_v2')
  t.match(outcome(await migMode(session)), { status: 15, call: 'nvmlDeviceGetHandleByIndex_v2' })
  fixture.answer('nvmlDeviceGetHandleByIndex_v2', null)
  t.equal(await status(migMode(session)), 0)
  await binding().close(session)
})

t.test('calls run in the order they were asked for', async t => {
  const fixture = new Fixture(t.testdir())
  const session = await openSession(fixture.library)
  fixture.forgetCalls()
  const hold = fixture.hold('nvmlDeviceGetMigMode')
  const answered: string[] = []
  const asked = [
    migMode(session).then(() => answered.push('mode')),
    binding()
      .call(session, Operation.gpuInstances, [0])
      .then(() => answered.push('instances')),
    noop(session).then(() => answered.push('noop')),
    binding()
      .call(session, Operation.migDevices, [0])
      .then(() => answered.push('devices'))
  ]
  await hold.entered
  t.strictSame(fixture.calls(), ['nvmlDeviceGetMigMode'], 'the others wait')
  await hold.release()
  await Promise.all(asked)
  t.strictSame(answered, ['mode', 'instances', 'noop', 'devices'])
  t.equal(fixture.calls().at(-1), 'nvmlDeviceGetMaxMigDeviceCount')
  await binding().close(session)
})

t.test('close waits for what is queued and refuses what comes later', async t => {
  const fixture = new Fixture(t.testdir())
  const session = await openSession(fixture.library)
  fixture.forgetCalls()
  const hold = fixture.hold('nvmlDeviceGetMigMode')
  const order: string[] = []
  const first = migMode(session).then(() => order.push('first'))
  const second = noop(session).then(() => order.push('second'))
  await hold.entered
  const closed = binding().close(session)
  const again = binding().close(session)
  t.equal(await status(noop(session)), SessionStatus.closed)
  t.strictSame(fixture.calls(), ['nvmlDeviceGetMigMode'])
  await hold.release()
  const statuses = await Promise.all([
    status(closed).finally(() => order.push('closed')),
    status(again).finally(() => order.push('closed again'))
  ])
  await Promise.all([first, second])
  t.strictSame(order, ['first', 'second', 'closed', 'closed again'])
  t.strictSame(statuses, [0, 0])
  t.strictSame(fixture.calls(), ['nvmlDeviceGetMigMode', 'nvmlShutdown', 'unloaded'])
  t.equal(await status(binding().close(session)), 0, 'a closed session stays closed')
  t.equal(await status(noop(session)), SessionStatus.closed)
})

t.test('close tells what nvmlShutdown answered, and unloads the library all the same', async t => {
  const fixture = new Fixture(t.testdir())
  const session = await openSession(fixture.library)
  fixture.answer('nvmlShutdown', 999)
  t.match(outcome(await binding().close(session)), { status: 999, call: 'nvmlShutdown' })
  t.equal(fixture.calls().at(-1), 'unloaded')
})

t.test('without a path, a library that was opened by path is not taken for the driver', async t => {
  const fixture = new Fixture(t.testdir())
  const session = await openSession(fixture.library)
  const buffer = await binding().open(null)
  t.equal(outcome(buffer).status, SessionStatus.ambiguousLibrary)
  t.match(outcome(buffer, decodeFailure, failureBytes).records[0]!.text, `this process has ${fixture.library} open`)
  await binding().close(session)
  const after = await binding().open(null)
  t.not(outcome(after).status, SessionStatus.ambiguousLibrary, 'once it is closed the loader searches')
  if (outcome(after).status === 0) {
    await binding().close(decodeSessionInfo(new DataView(after), resultHeaderBytes).session)
  }
})

t.test('abandon settles everything at once and leaves NVML alone for ever', async t => {
  const fixture = new Fixture(t.testdir())
  const before = threads()
  const session = await openSession(fixture.library)
  fixture.forgetCalls()
  const hold = fixture.hold('nvmlDeviceGetMigMode')
  const waiting = [migMode(session), noop(session), binding().close(session)]
  await hold.entered
  binding().abandon(session)
  t.strictSame(await Promise.all(waiting.map(status)), Array(3).fill(SessionStatus.abandoned))
  t.equal(await status(noop(session)), SessionStatus.closed)
  t.equal(await status(binding().close(session)), 0)
  binding().abandon(session)

  const other = await openSession(fixture.library)
  t.equal(await status(noop(other)), 0, 'the library can be opened again meanwhile')
  await binding().close(other)
  fixture.forgetCalls()
  await hold.release()
  await threadCount(before, threads)
  t.strictSame(fixture.calls(), [], 'neither shut down nor unloaded')
})

t.test('two sessions on two libraries do not meet', async t => {
  const dirs = [t.testdir({ a: {}, b: {} }) as string].flatMap(dir => [`${dir}/a`, `${dir}/b`])
  const fixtures = dirs.map(dir => new Fixture(dir))
  const [a, b] = (await Promise.all(fixtures.map(f => openSession(f.library)))) as [number, number]
  const hold = fixtures[0]!.hold('nvmlDeviceGetMigMode')
  const waiting = migMode(a)
  await hold.entered
  const set = await binding().call(b, Operation.setMigMode, [0, 1])
  t.match(outcome(set, decodeMigMode, migModeBytes).records, [{ current: 1, pending: 1, activation: 0 }])
  await hold.release()
  t.match(outcome(await waiting, decodeMigMode, migModeBytes).records, [{ current: 0 }])
  t.equal(fixtures[0]!.calls().includes('nvmlDeviceSetMigMode'), false)
  await Promise.all([binding().close(a), binding().close(b)])
  for (const fixture of fixtures) t.equal(fixture.calls().at(-1), 'unloaded')
})

t.test('sessions on one library count: the last unloads it', async t => {
  const fixture = new Fixture(t.testdir())
  const [a, b] = [await openSession(fixture.library), await openSession(fixture.library)]
  t.not(a, b)
  await binding().close(a)
  t.equal(fixture.calls().at(-1), 'nvmlShutdown')
  t.equal(await status(noop(b)), 0)
  await binding().close(b)
  t.equal(fixture.calls().at(-1), 'unloaded')
})

t.test('wrong arguments throw at once, with a sentence', async t => {
  const { call, open, close, abandon, symbols, simulatorCommand, simulatorCalls } = binding()
  const refusals: [() => unknown, string][] = [
    [() => open('' as string), 'library must be a string that is not empty and has no NUL in it'],
    [() => open(undefined as unknown as null), 'library must be a string'],
    [() => open('a\0b'), 'library must be a string'],
    [() => call('1' as unknown as number, 0, []), 'session must be a whole number from 0 to 4294967295'],
    [() => call(1, 1.5, []), 'operation must be a whole number'],
    [() => call(1, Object.keys(Operation).length, []), 'operation 19 is unknown: the last one is 18'],
    [() => call(1, Operation.migMode, 0 as unknown as number[]), 'args must be an array of numbers'],
    [() => call(1, Operation.migMode, []), 'operation 1 takes 1 arguments, not 0'],
    [() => call(1, Operation.migMode, [-1]), 'args[0] must be a whole number'],
    [() => call(1, Operation.setMigMode, [0, 2 ** 32]), 'args[1] must be a whole number'],
    [() => call(1, Operation.migDeviceByUuid, []), 'text must be a string'],
    [() => call(1, Operation.noop, [], 'text'), 'operation 0 takes no text'],
    [() => close(NaN), 'session must be a whole number'],
    [() => abandon(null as unknown as number), 'session must be a whole number'],
    [() => simulatorCommand('', 1, []), 'library must be a string'],
    [() => simulatorCommand('x', 1, Array(13).fill(1)), 'a command takes at most 12 arguments'],
    [() => simulatorCalls('x', 7 as unknown as string), 'name must be a string']
  ]
  for (const [refusal, sentence] of refusals) t.throws(refusal, { name: 'TypeError', message: sentence })
  t.equal(symbols().indexOf('nvmlInit_v2'), 0)
})

t.test('a library without the control table is not a simulated node', async t => {
  const { library, dir } = new Fixture(t.testdir(), { without: ['nvmlInternalGetExportTable'] })
  const sentence = { name: 'TypeError', message: `${library} is not a simulated node's library` }
  t.throws(() => binding().simulatorCommand(library, 1, [0]), sentence)
  t.throws(() => binding().simulatorCalls(library, 'nvmlInit_v2'), sentence)
  t.throws(() => binding().simulatorCommand(`${dir}/missing.so`, 1, [0]), { message: `${dir}/missing.so: cannot open` })
})
