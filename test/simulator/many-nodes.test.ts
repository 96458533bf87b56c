/** Nodes made, opened and closed one after the other in one process leave nothing behind in it. */
import { rejects } from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { open } from '../../lib/index.js'
import { simulate } from '../../lib/simulator/index.js'
import { FULL } from '../helpers/run.js'

const NODES = FULL ? 1000 : 60
/** Before these were made, the process itself still opens and maps files. */
const WARM_UP = NODES / 10
t.setTimeout(300_000)

const folder = t.testdir()
const TMPDIR = process.env.TMPDIR
process.env.TMPDIR = folder
t.teardown(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = TMPDIR
})

/** What every open descriptor is; the one that lists them is gone when it is asked. */
function descriptors(): string[] {
  const targets = readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      return []
    }
  })
  return targets.sort()
}

/** Every mapping of a file. */
const mappings = (): string[] =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .flatMap(line => line.match(/\/.*/)?.[0] ?? [])
    .sort()

const threads = (): number => readdirSync('/proc/self/task').length

/** A life of a node, in one of the orders that users end it in. */
const lives = [
  async () => {
    const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
    const nvml = await open({ library: node.library, root: node.root })
    await nvml.gpu(0).setMigMode(true)
    await nvml.gpu(0).create('3g.20gb')
    node.check()
    await nvml.close()
    await node.close()
  },
  async () => {
    const node = await simulate({ gpus: ['H100-SXM5-80GB*8'] })
    const sessions = [await open({ library: node.library }), await open({ library: node.library })]
    await node.close()
    for (const nvml of sessions) await nvml.gpu(7).profiles()
    await Promise.all(sessions.map(nvml => nvml.close()))
  },
  async () => {
    const request = { gpus: ['A30'], dir: join(folder, 'kept') }
    await (await simulate(request)).close()
    const node = await simulate(request)
    node.reboot()
    await node.close()
    await rm(node.dir, { recursive: true })
  },
  async () => {
    const node = await simulate({ gpus: ['A30'] })
    await rm(node.dir, { recursive: true })
    await rejects(open({ library: node.library }), { code: 'LIBRARY_NOT_FOUND' })
    await node.close()
  }
]

t.test(`${NODES} nodes`, async t => {
  const live = (i: number) => lives[i % lives.length]!()
  for (let i = 0; i < WARM_UP; i++) await live(i)
  const before = { descriptors: descriptors(), mappings: mappings() }
  const threadsBefore = threads()
  for (let i = WARM_UP; i < NODES; i++) await live(i)
  t.same({ descriptors: descriptors(), mappings: mappings() }, before, 'the same descriptors and mapped files as before')
  t.same(await readdir(folder), [], 'no directory')
  // A session's thread answers its close and then ends, also those that were counted before.
  for (let turn = 0; turn < 10_000 && threads() > threadsBefore; turn++) await setImmediate()
  t.ok(threads() <= threadsBefore, 'no thread')
})
