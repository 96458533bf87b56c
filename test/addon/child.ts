/**
 * A process that ends in the middle of something (session-exit.test.ts): which stage of life, on
 * which library. Messages from the parent say when to go on.
 */
import { on, once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { binding } from '../../lib/binding.js'
import { Operation } from '../../lib/records.js'
import { openSession, outcome } from './fixture.js'

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
// Listening from the start, so that no message comes too early.
const messages = isMainThread ? on(process, 'message') : undefined
const told = async (): Promise<void> => {
  await messages!.next()
}
/** A call into nvmlDeviceGetMaxMigDeviceCount, which open does not make. */
const migDevices = (session: number): Promise<ArrayBuffer> => binding().call(session, Operation.migDevices, [0])

const stages: Record<string, (library: string) => Promise<void>> = {
  async 'idle session'(library) {
    await openSession(library)
    say('opened')
  },
  async 'pending call'(library) {
    const { status } = outcome(await migDevices(await openSession(library)))
    say(`answered ${status}`)
  },
  async 'process.exit'(library) {
    migDevices(await openSession(library)).then(() => say('answered'), say)
    await told()
    process.exit(0)
  },
  async 'uncaught exception'(library) {
    migDevices(await openSession(library)).then(() => say('answered'), say)
    await told()
    setImmediate(() => {
      throw new Error('on purpose')
    })
  },
  async abandon(library) {
    const session = await openSession(library)
    const call = migDevices(session)
    const closed = binding().close(session)
    await told()
    binding().abandon(session)
    say(`call ${outcome(await call).status} close ${outcome(await closed).status}`)
    process.disconnect()
  },
  async 'terminated worker'(library) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { library, calls: true } })
    await once(worker, 'message')
    await told()
    say(`worker ended with ${await worker.terminate()}`)
    const session = await openSession(library)
    say(`main thread ${outcome(await binding().call(session, Operation.noop, [])).status}`)
    await binding().close(session)
    process.send!('closed')
    await told()
    process.disconnect()
  },
  async 'terminated idle worker'(library) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { library, calls: false } })
    await once(worker, 'message')
    say(`worker ended with ${await worker.terminate()}`)
    await told()
    process.disconnect()
  },
  async 'natural end of a worker'(library) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { library, calls: false, ends: true }
    })
    const [code] = await once(worker, 'exit')
    say(`worker ended with ${code}`)
    await told()
    process.disconnect()
  },
  async 'loader search'() {
    for (let i = 0; i < 3; i++) {
      const session = await openSession(null)
      const again = await openSession(null)
      await binding().close(session)
      await binding().close(again)
    }
    say('opened')
  },
  async 'loader search after a path'(library) {
    await openSession(library)
    await openSession(null)
    say('opened')
  }
}

async function work({ library, calls, ends }: { library: string; calls: boolean; ends?: boolean }): Promise<void> {
  const session = await openSession(library)
  const call = calls ? migDevices(session) : undefined
  parentPort!.postMessage('opened')
  await call
  if (!ends) setInterval(() => undefined, 1000)
}

if (isMainThread) void stages[process.argv[2]!]!(process.argv[3]!)
else void work(workerData)
