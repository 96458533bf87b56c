/**
 * Every way a process or a worker can end while a session is open: at once, with the exit code that
 * Node gives, and without a word on stderr.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { nativeFile } from '../../lib/binding.js'
import { Operation, resultHeaderBytes, SessionStatus } from '../../lib/records.js'
import { Fixture, type Hold } from './fixture.js'

const script = fileURLToPath(new URL('child.mjs', import.meta.url))

/** What the child is told on its command line. */
const task = (stage: string, library: string): string =>
  JSON.stringify({ addon: nativeFile('nvml_mig.node'), library, stage, operations: Operation, headerBytes: resultHeaderBytes })

interface End {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

function ending(child: ChildProcess): Promise<End> {
  const text = { stdout: '', stderr: '' }
  child.stdout!.on('data', chunk => (text.stdout += chunk))
  child.stderr!.on('data', chunk => (text.stderr += chunk))
  return once(child, 'close').then(([code, signal]) => ({ code, signal, ...text }))
}

/** The function that the child's call waits in. */
const HELD = 'nvmlDeviceGetMaxMigDeviceCount'

const clean = { code: 0, signal: null, stderr: '' }

/** Waits until the child is inside a call; a child that ends first has failed. */
const inside = (hold: Hold, ended: Promise<End>): Promise<void> =>
  Promise.race([
    hold.entered,
    ended.then(end => {
      throw new Error(`ended with ${end.code}: ${end.stderr}`)
    })
  ])

/** Node frees nothing on such an end, so that looking for leaks would find all of Node. */
const withoutLeakCheck = { ...process.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` }

/** A child that the test talks to. */
const start = (stage: string, library: string, env = process.env): ChildProcess =>
  fork(script, [task(stage, library)], { silent: true, execArgv: [], env })
/** A child with nothing but the session to keep it alive. */
const startAlone = (stage: string, library: string, env = process.env): ChildProcess =>
  spawn(process.execPath, [script, task(stage, library)], { env })

t.test('an idle session does not keep the process alive', async t => {
  const fixture = new Fixture(t.testdir())
  t.strictSame(await ending(startAlone('idle session', fixture.library)), { ...clean, stdout: 'opened\n' })
})

t.test('a pending call keeps the process alive until it is answered', async t => {
  const fixture = new Fixture(t.testdir())
  const hold = fixture.hold(HELD)
  const ended = ending(startAlone('pending call', fixture.library))
  await inside(hold, ended)
  await hold.release()
  t.strictSame(await ended, { ...clean, stdout: 'answered 0\n' })
})

t.test('process.exit() in the middle of a call is not held up', async t => {
  const fixture = new Fixture(t.testdir())
  const hold = fixture.hold(HELD)
  const child = start('process.exit', fixture.library, withoutLeakCheck)
  const ended = ending(child)
  await inside(hold, ended)
  child.send('go')
  t.strictSame(await ended, { ...clean, stdout: '' })
  await hold.release()
})

t.test('an uncaught exception in the middle of a call ends the process as it always does', async t => {
  const fixture = new Fixture(t.testdir())
  const hold = fixture.hold(HELD)
  const child = start('uncaught exception', fixture.library, withoutLeakCheck)
  const ended = ending(child)
  await inside(hold, ended)
  child.send('go')
  const { code, signal, stdout, stderr } = await ended
  t.strictSame({ code, signal, stdout }, { code: 1, signal: null, stdout: '' })
  t.match(stderr, /Error: on purpose/)
  await hold.release()
})

t.test('an abandoned call lets the process end', async t => {
  const fixture = new Fixture(t.testdir())
  const hold = fixture.hold(HELD)
  const child = start('abandon', fixture.library)
  const ended = ending(child)
  await inside(hold, ended)
  child.send('go')
  const { abandoned } = SessionStatus
  t.strictSame(await ended, { ...clean, stdout: `call ${abandoned} close ${abandoned}\n` })
  await hold.release()
})

t.test('a worker terminated in the middle of a call: the process lives on, its thread cleans up later', async t => {
  const fixture = new Fixture(t.testdir())
  const hold = fixture.hold(HELD)
  const child = start('terminated worker', fixture.library)
  const ended = ending(child)
  await inside(hold, ended)
  child.send('go')
  await once(child, 'message')
  t.equal(fixture.calls().filter(call => call === 'nvmlShutdown').length, 1, 'only the main thread has shut NVML down')
  const unloaded = fixture.hold('unloaded')
  await hold.release()
  await inside(unloaded, ended)
  t.strictSame(fixture.calls().slice(-2), ['nvmlShutdown', 'unloaded'])
  await unloaded.release()
  child.send('end')
  t.strictSame(await ended, { ...clean, stdout: 'worker ended with 1\nmain thread 0\n' })
})

for (const [stage, code] of [
  ['terminated idle worker', 1],
  ['natural end of a worker', 0]
] as const) {
  t.test(`${stage}: NVML is shut down and the library unloaded while the process lives on`, async t => {
    const fixture = new Fixture(t.testdir())
    const unloaded = fixture.hold('unloaded')
    const child = start(stage, fixture.library)
    const ended = ending(child)
    await inside(unloaded, ended)
    t.strictSame(fixture.calls().slice(-2), ['nvmlShutdown', 'unloaded'])
    await unloaded.release()
    child.send('end')
    t.strictSame(await ended, { ...clean, stdout: `worker ended with ${code}\n` })
  })
}

t.test('workers terminated at any moment of their calls', async t => {
  const fixture = new Fixture(t.testdir())
  t.strictSame(await ending(startAlone('busy workers', fixture.library)), { ...clean, stdout: 'all terminated\n' })
})

t.test('what LD_LIBRARY_PATH leads to can be opened without a path, again and again, whatever was opened before', async t => {
  const fixture = new Fixture(t.testdir())
  const env = { ...process.env, LD_LIBRARY_PATH: fixture.dir }
  for (const stage of ['loader search', 'loader search after a path']) {
    t.strictSame(await ending(startAlone(stage, fixture.library, env)), { ...clean, stdout: 'opened\n' }, stage)
  }
})
