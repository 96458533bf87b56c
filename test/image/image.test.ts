/**
 * The twelve tests that node.image must hold, and clients of the library beside each other. Most are a program of
 * native/tests/image that prints what it counted; NVML_MIG_TEST_FULL=1 runs them at length.
 */
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { simulate } from '../../lib/simulator/index.js'
import { exportedBy, findRelease } from '../../lib/simulator/releases.js'
import { FULL } from '../helpers/run.js'
import { noHoles, sameChecksums, sameContents, sameLayout } from './layout.js'
import { EIGHT_GPUS, FOUR_MAKES, ONE_GPU, type Program, Programs, type Way } from './programs.js'

const MINUTE = 60_000
t.setTimeout(FULL ? 30 * MINUTE : 5 * MINUTE)
const programs = await Programs.begin(t)

/** A test that is one run of a program. */
function program(name: string, path: Program, modes: string[] = [], gpus = EIGHT_GPUS): void {
  t.test(name, { timeout: FULL ? 15 * MINUTE : 2 * MINUTE }, async t => {
    await programs.run(t, path, { gpus, modes })
  })
}

t.test('the programs build', { timeout: 3 * MINUTE }, async () => {
  await programs.build([
    'plain/kill_torture',
    'stepped/kill_torture',
    'in-place/kill_torture',
    'plain/instruction_steps',
    'stepped/instruction_steps',
    'in-place/instruction_steps',
    'stepped/fork_torture',
    'stepped/orphans',
    'stepped/pid_namespace',
    'stepped/two_copies',
    'stepped/copy.so',
    'plain/rights',
    'plain/describe',
    'plain/opener',
    'plain/opener_fuzz',
    'plain/replaced',
    'plain/descriptors',
    'stepped/stopped_holder',
    'plain/nvml_client',
    'plain/client_torture'
  ])
})

program('1: processes killed while they change the node, with pauses inside changes', 'stepped/kill_torture')
program('1: the same at full speed', 'plain/kill_torture')
program('1: the same with changes made in place is found corrupt', 'in-place/kill_torture', ['control'])

program(
  '2: the state is good after every instruction of a change',
  'plain/instruction_steps',
  ['every'],
  FULL ? EIGHT_GPUS : ONE_GPU
)
program('2: and after those of stretches of a long one', 'stepped/instruction_steps', ['windows'])
program('2: a kill at an instruction around lock, publication and unlock', 'stepped/instruction_steps', ['kills'])
program('2: a change made in place is found bad', 'in-place/instruction_steps', ['control'], ONE_GPU)

program('3: processes killed while they change the node and fork', 'stepped/fork_torture')
program('3: no orphan of a process that died in a change keeps the lock', 'stepped/orphans')

program('4: a holder and a killed waiter, each with id 1 of a PID namespace', 'stepped/pid_namespace')

program('5: two copies of the library in one process exclude each other', 'stepped/two_copies')

program('6: a process of another user reads, and changes are refused', 'plain/rights', ['unprivileged'])
program('6: so does one whose file is read-only', 'plain/rights', ['read-only-file'])
program('6: so does one whose file system is read-only', 'plain/rights', ['read-only-mount'])

t.test('7: every struct and field of the image is where C++ has it', async t => sameLayout(t, programs))
t.test('7: no struct has bytes that JavaScript does not know', async t => noHoles(t))
t.test('7: the checksum of any bytes is the same', t => sameChecksums(t, programs))
t.test('7: C++ reads what JavaScript wrote, and JavaScript what C++ wrote', t => sameContents(t, programs))

program('8: every wrong length is refused', 'plain/opener', ['truncated'], ONE_GPU)
program('8: every flipped bit of the header is refused, and of the boards', 'plain/opener', ['bits'], ONE_GPU)
program('8: a torn active slot falls back to the other', 'plain/opener', ['slots'], ONE_GPU)
program('8: random damage is refused or leaves a good state', 'plain/opener_fuzz', [], ONE_GPU)
t.test('8: random damage under AddressSanitizer', { timeout: 15 * MINUTE }, async t => {
  if (!FULL) return t.plan(0, 'in the full run')
  if (!(await programs.canSanitize('address,undefined'))) return t.plan(0, 'the compiler has no AddressSanitizer')
  await programs.build(['sanitized/opener_fuzz'])
  await programs.run(t, 'sanitized/opener_fuzz', { gpus: ONE_GPU })
})

program('9: a node that is removed or replaced is read and not changed', 'plain/replaced')

program('10: changes after closefrom(3), and without descriptors', 'plain/descriptors')

program('11: beside a stopped process changes end at their deadline', 'stepped/stopped_holder')

t.test('12: reads against changes under ThreadSanitizer', { timeout: 15 * MINUTE }, async t => {
  if (!(await programs.canSanitize('thread'))) return t.plan(0, 'the compiler has no ThreadSanitizer')
  await programs.build(['tsan/threads'])
  const race = await programs.start(t, 'tsan/threads', { gpus: ONE_GPU, modes: ['race'] })
  t.equal(race.code, 66, 'a race that was made on purpose is reported')
  await programs.run(t, 'tsan/threads', { gpus: EIGHT_GPUS })
})

/** A run of the client program on a node of a driver release, in a directory of its own. */
function client(name: string, driver: string, modes: string[]): void {
  t.test(name, { timeout: 2 * MINUTE }, async t => {
    const folder = await programs.newFolder()
    const { library } = await simulate({ gpus: ['A100-SXM4-40GB'], driver, dir: join(folder, 'node') })
    await writeFile(join(folder, 'exported'), [...exportedBy(findRelease(driver))].map(each => `${each}\n`).join(''))
    await programs.run(t, 'plain/nvml_client', { file: library, folder, modes })
  })
}

client('5: a client that loads two copies of the library with one image', '550', ['two-copies'])
client('6: a client of another user reads, and changes answer NO_PERMISSION', '550', ['unprivileged'])
client('9: a client of a removed node reads, and changes say so', '550', ['replaced'])
client('10: a client without descriptors, and after closefrom(3)', '550', ['descriptors'])
client('after fork() every function answers UNINITIALIZED until the child’s own init', '550', ['fork', 'early-version'])
client('so it does on a driver that has no version before init', '525', ['fork'])

/** Clients of the library, which is the node's own or one that was compiled another way. */
async function torture(t: Test, way: Way, modes: string[] = []): Promise<void> {
  const folder = await programs.newFolder()
  const { library } = await simulate({ gpus: FOUR_MAKES, fill: 'derived', dir: join(folder, 'node') })
  if (way !== 'plain') {
    await programs.build([`${way}/client_torture`, `${way}/libnvidia-ml.so.1`])
    await copyFile(programs.path(`${way}/libnvidia-ml.so.1`), library)
  }
  await programs.run(t, `${way}/client_torture`, { file: library, folder, modes })
}

t.test('8 clients of 4 threads each, one of them killed each second', { timeout: 5 * MINUTE }, t => torture(t, 'plain'))
t.test('so it is under ThreadSanitizer', { timeout: 10 * MINUTE }, async t => {
  if (!FULL) return t.plan(0, 'in the full run')
  if (!(await programs.canSanitize('thread'))) return t.plan(0, 'the compiler has no ThreadSanitizer')
  await torture(t, 'tsan')
})
t.test('and under AddressSanitizer', { timeout: 10 * MINUTE }, async t => {
  if (!FULL) return t.plan(0, 'in the full run')
  if (!(await programs.canSanitize('address,undefined'))) return t.plan(0, 'the compiler has no AddressSanitizer')
  await torture(t, 'sanitized')
})
t.test('a library that makes its changes in place is found out', { timeout: 5 * MINUTE }, async t => {
  if (!FULL) return t.plan(0, 'in the full run')
  await torture(t, 'in-place', ['control'])
})
