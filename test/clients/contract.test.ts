/**
 * The contract that NVML's clients rely on, held by a small C client (contract/) against nodes of every
 * driver release whose library was read, and of boards of every make. It knows NVML from declarations
 * of its own and nothing of this package.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type SimulateOptions, simulate } from '../../lib/simulator/index.js'

const native = fileURLToPath(new URL('../../native', import.meta.url))
const sources = fileURLToPath(new URL('contract', import.meta.url))
const suites = ['library', 'profiles', 'instances', 'mig-devices', 'answered', 'handles', 'arguments', 'fork']

const folder = await mkdtemp(join(tmpdir(), 'nvml-mig-contract-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const client = join(folder, 'contract')

/** The names that each release exports: read from the symbol table of its released library. */
const exported = JSON.parse(await readFile(join(native, 'simulator/exported_names.json'), 'utf8')) as {
  releases: string[]
  names: Record<string, { first: string; last?: string }>
}

const isNewer = (a: string, b: string): boolean => a.localeCompare(b, 'en', { numeric: true }) > 0

const namesOf = (release: string): string[] =>
  Object.keys(exported.names).filter(name => {
    const { first, last } = exported.names[name]!
    return !isNewer(first, release) && !(last !== undefined && isNewer(release, last))
  })

async function holds(t: Test, request: SimulateOptions, parts: readonly string[]): Promise<void> {
  const node = await simulate(request)
  t.teardown(() => node.close())
  await t.spawn(client, [...parts], { env: { ...process.env, LD_LIBRARY_PATH: node.dir } }, 'contract')
  node.check()
}

t.before(async () => {
  const files = (await readdir(sources)).filter(name => name.endsWith('.c')).map(name => join(sources, name))
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror', `-I${native}`]
  // A sanitizer that the tests are run with is none of the compiler's business.
  const { LD_PRELOAD: _, ...env } = process.env
  await promisify(execFile)(process.env.CC ?? 'cc', [...flags, ...files, '-o', client, '-ldl'], { env })
})

for (const release of exported.releases) {
  t.test(`driver ${release}`, async t => {
    const names = join(folder, release)
    await writeFile(names, namesOf(release).join('\n'))
    await holds(t, { gpus: ['A100-SXM4-40GB*2'], driver: release }, [`symbols=${names}`, ...suites])
  })
}

// Sliding and aligned compute slots, 4, 8 and 12 memory slices, graphics and media profiles, and both
// ways to number instances.
const boards: SimulateOptions[] = [
  { gpus: ['H100-SXM5-80GB*2'] },
  { gpus: ['A30*2'] },
  { gpus: ['RTX-PRO-6000-Blackwell-Server*2'], fill: 'derived' },
  { gpus: [{ model: 'A100-SXM4-80GB*2', giNumbering: 'swapped' }] }
]
for (const request of boards) t.test(JSON.stringify(request.gpus), t => holds(t, request, suites))
