/** Events: how they reach processes that wait, and what may be raised. The processes are those of native/tests/image. */
import { join } from 'node:path'
import t from 'tap'
import { type MigEvents, simulate } from '../../lib/simulator/index.js'
import { Programs } from '../image/programs.js'

t.setTimeout(5 * 60_000)
const programs = await Programs.begin(t)
await programs.build(['plain/event_waiters'])

function waiters(name: string, mode: string, migEvents?: MigEvents): void {
  t.test(name, { timeout: 2 * 60_000 }, async t => {
    const folder = await programs.newFolder()
    const node = await simulate({ gpus: ['A100-SXM4-40GB'], dir: join(folder, 'node'), ...(migEvents && { migEvents }) })
    t.teardown(() => node.close())
    await programs.run(t, 'plain/event_waiters', { file: node.library, folder, modes: [mode] })
    node.check()
  })
}

waiters('4 processes hear of 1,000 layout changes of a fifth, in order', 'order')
waiters('only the process that made a change hears of it, if so asked', 'own', 'own')
waiters('or no GPU has the event', 'none', 'none')
waiters('processes that are killed while they wait leave nothing', 'killed')
waiters('waits that time out leave nothing', 'timeouts')

t.test('migEvents is part of what a node was asked for', async t => {
  const dir = join(t.testdir(), 'node')
  await (await simulate({ gpus: ['A30'], dir, migEvents: 'own' })).close()
  await t.rejects(simulate({ gpus: ['A30'], dir }), { code: 'DIFFERENT_NODE', message: /migEvents own, not all/ })
  await t.rejects(
    // @ts-expect-error no such choice
    simulate({ gpus: ['A30'], migEvents: 'some' }),
    { name: 'RangeError', message: "simulate: migEvents is 'all', 'own' or 'none', not 'some'" }
  )
})

t.test('what cannot be raised is a sentence', async t => {
  const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
  t.teardown(() => node.close())
  node.raiseEvent({ kind: 'xid', gpu: 0, xid: 79 })
  node.raiseEvent({ kind: 'single-bit-ecc', gpu: 0 })
  node.setReadings(0, { eccEnabled: false })
  const cases: [use: () => unknown, error: { name?: string; code?: string; message: string | RegExp }][] = [
    [() => node.raiseEvent({ kind: 'double-bit-ecc', gpu: 0 }), { code: 'NOT_SUPPORTED', message: /has no ECC that is on/ }],
    [
      () => node.raiseEvent({ kind: 'xid', gpu: 0, xid: 79, gpuInstance: 1 }),
      { code: 'NOT_FOUND', message: 'GPU 0 has no GPU instance 1.' }
    ],
    [
      () => node.raiseEvent({ kind: 'xid', gpu: 1, xid: 79 }),
      { name: 'RangeError', message: 'raiseEvent: there is no GPU 1; this node has GPU 0 alone' }
    ],
    [
      () => node.raiseEvent({ kind: 'xid', gpu: 0, xid: 0 }),
      { name: 'RangeError', message: 'raiseEvent: xid is a whole number from 1 on, not 0' }
    ],
    [
      () => node.raiseEvent({ kind: 'xid', gpu: 0, xid: 79, computeInstance: 0 }),
      { name: 'TypeError', message: 'raiseEvent: a computeInstance is one of a gpuInstance, which is missing' }
    ],
    [
      // @ts-expect-error no such kind
      () => node.raiseEvent({ kind: 'ecc', gpu: 0 }),
      { message: "raiseEvent: kind is 'xid', 'single-bit-ecc' or 'double-bit-ecc', not 'ecc'" }
    ],
    [
      // @ts-expect-error such an error has no number
      () => node.raiseEvent({ kind: 'single-bit-ecc', gpu: 0, xid: 1 }),
      { name: 'TypeError', message: /a memory error has no option 'xid'/ }
    ],
    // @ts-expect-error the number is missing
    [() => node.raiseEvent({ kind: 'xid', gpu: 0 }), { name: 'TypeError', message: 'raiseEvent: xid is a number, not undefined' }]
  ]
  for (const [use, error] of cases) t.throws(use, error)
})
