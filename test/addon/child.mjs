// A process that ends in the middle of something (session-exit.test.ts): at which stage of life, on
// which library. Messages from the parent say when to go on. Plain JavaScript on the bare addon, so
// that a start costs nothing.
import { on, once } from 'node:events'
import { createRequire } from 'node:module'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const { addon, library, stage, operations, headerBytes } = JSON.parse(process.argv[2])
const binding = createRequire(import.meta.url)(addon)

const say = text => process.stdout.write(`${text}\n`)

// Listening from the start, so that no message comes too early.
const messages = isMainThread ? on(process, 'message') : undefined
const told = () => messages.next()

const status = async answer => new DataView(await answer).getUint32(0, true)

async function openSession(library) {
  const view = new DataView(await binding.open(library))
  if (view.getUint32(0, true) !== 0) throw new Error(`open answered ${view.getUint32(0, true)}`)
  return view.getUint32(headerBytes, true)
}

/** A call into nvmlDeviceGetMaxMigDeviceCount, which open does not make. */
const migDevices = session => binding.call(session, operations.migDevices, [0])

/** A worker thread once it has a session open; `task` is what it does then. */
async function startWorker(task) {
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: task })
  await once(worker, 'message')
  return worker
}

const stages = {
  async 'idle session'() {
    await openSession(library)
    say('opened')
  },
  async 'pending call'() {
    say(`answered ${await status(migDevices(await openSession(library)))}`)
  },
  async 'process.exit'() {
    migDevices(await openSession(library)).then(() => say('answered'), say)
    await told()
    process.exit(0)
  },
  async 'uncaught exception'() {
    migDevices(await openSession(library)).then(() => say('answered'), say)
    await told()
    setImmediate(() => {
      throw new Error('on purpose')
    })
  },
  async abandon() {
    const session = await openSession(library)
    const call = migDevices(session)
    const closed = binding.close(session)
    await told()
    binding.abandon(session)
    say(`call ${await status(call)} close ${await status(closed)}`)
    process.disconnect()
  },
  async 'terminated worker'() {
    const worker = await startWorker('call')
    await told()
    say(`worker ended with ${await worker.terminate()}`)
    const session = await openSession(library)
    say(`main thread ${await status(binding.call(session, operations.noop, []))}`)
    await binding.close(session)
    process.send('closed')
    await told()
    process.disconnect()
  },
  async 'terminated idle worker'() {
    const worker = await startWorker('idle')
    say(`worker ended with ${await worker.terminate()}`)
    await told()
    process.disconnect()
  },
  async 'natural end of a worker'() {
    const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: 'end' })
    const [code] = await once(worker, 'exit')
    say(`worker ended with ${code}`)
    await told()
    process.disconnect()
  },
  async 'busy workers'() {
    for (let round = 0; round < 5; round++) {
      const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker('busy')))
      await Promise.all(workers.map(worker => worker.terminate()))
    }
    say('all terminated')
  },
  async 'loader search'() {
    for (let i = 0; i < 3; i++) {
      const sessions = [await openSession(null), await openSession(null)]
      for (const session of sessions) await binding.close(session)
    }
    say('opened')
  },
  async 'loader search after a path'() {
    await openSession(library)
    await openSession(null)
    say('opened')
  }
}

const tasks = {
  async idle() {
    setInterval(() => undefined, 1000)
  },
  async end() {},
  call: migDevices,
  /** Calls without end, on two sessions of which one comes and goes. */
  async busy(session) {
    for (;;) {
      const other = await openSession(library)
      await Promise.all([session, other, session, other].map(migDevices))
      if (Math.random() < 0.5) binding.abandon(other)
      else void binding.close(other)
    }
  }
}

async function work(task) {
  const session = await openSession(library)
  const done = tasks[task](session)
  parentPort.postMessage('opened')
  await done
}

if (isMainThread) void stages[stage]()
else void work(workerData)
