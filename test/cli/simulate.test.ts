/** `simulate`, and the program as a shell runs it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { nvmlMig } from './helpers.js'

// As built: what a shell starts is not the source, and compiling it in every child takes seconds.
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Nodes left behind in a folder for temporary files, which others use too. */
const nodesIn = (tmp: string) => readdirSync(tmp).filter(name => name.startsWith('nvml-mig'))

/** Starts the program itself, with temporary files of its own. */
function start(args: readonly string[], tmp: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: tmp, ...env }
  })
  return {
    child,
    stdout: text(child.stdout),
    stderr: text(child.stderr),
    exit: once(child, 'exit') as Promise<[number | null, string | null]>
  }
}

t.test('a node that stays', async t => {
  const dir = join(t.testdir(), 'node')
  const made = await nvmlMig(['simulate', '--gpus', 'A30,A100-SXM4-40GB', '--driver', '535', '--dir', dir])
  t.same({ code: made.code, stderr: made.stderr }, { code: 0, stderr: '' })
  t.match(made.stdout, `LD_LIBRARY_PATH=${dir} my-nvml-client`)
  const listed = await nvmlMig(['list', '--library', dir])
  t.match(listed.stdout, /^GPU 0: NVIDIA A30 .*\nGPU 1: NVIDIA A100-SXM4-40GB .*\n$/)

  await nvmlMig(['mode', 'on', '--gpu', '1', '--library', dir])
  const again = await nvmlMig(['simulate', '--gpus', 'A30,A100-SXM4-40GB', '--driver', '535', '--dir', dir, '--json'])
  t.same(JSON.parse(again.stdout), {
    format: 'nvml-mig-simulate/1',
    dir,
    library: join(dir, 'libnvidia-ml.so.1'),
    root: join(dir, 'root')
  })
  t.match((await nvmlMig(['mode', '--library', dir])).stdout, /GPU 1: .* MIG on/, 'an equal request takes the node as it is')
  const other = await nvmlMig(['simulate', '--gpus', 'A30', '--dir', dir])
  t.equal(other.code, 1, 'another request does not')
})

t.test('a node of another make that speaks dialects', async t => {
  const dir = join(t.testdir(), 'node')
  const asked = ['--gpus', 'H100-NVL-94GB', '--variant', 'mid-2024', '--dialect', 'migIndexHoles,plainMigNames']
  const made = await nvmlMig(['simulate', ...asked, '--dir', dir])
  t.same({ code: made.code, stderr: made.stderr }, { code: 0, stderr: '' })
  t.match(JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8')), {
    request: {
      gpus: [{ model: 'H100-NVL-94GB', variant: 'mid-2024' }],
      dialects: { migIndexHoles: true, plainMigNames: true }
    }
  })
  const on = async (...args: string[]) => JSON.parse((await nvmlMig([...args, '--json', '--library', dir])).stdout)
  // 10.75 GiB in mid-2024, 10.62 since: recorded.
  t.match(await on('profiles'), { gpus: [{ profiles: [{ name: '1g.12gb', memoryMiB: 11008 }] }] })
  await on('mode', 'on', '--gpu', '0')
  const { created } = await on('create', '1g.12gb', '1g.12gb', '--gpu', '0')
  await on('destroy', created[0].uuid)
  t.match(await on('list'), { gpus: [{ devices: [{ index: 1, name: 'NVIDIA H100 NVL 1g.12gb', profile: '1g.12gb' }] }] })
})

t.test('on any verb', async t => {
  const args = ['profiles', '--simulate', 'A30', '--dialect', 'misreportedCounts', '--json']
  const { gpus } = JSON.parse((await nvmlMig(args)).stdout)
  t.match(gpus[0].profiles, [{ name: '1g.6gb' }, { name: '1g.6gb+me', maxInstances: 4 }])
  const ecc = ['profiles', '--simulate', 'RTX-PRO-6000-Blackwell-Server', '--fill', 'derived', '--variant', 'ecc']
  t.match((await nvmlMig(ecc)).stdout, /^ {2}4g\.96gb\+gfx .* 93\.38 /m)
})

t.test('makes and dialects that there are not', async t => {
  for (const verb of [
    ['simulate', '--gpus', 'H100-NVL-94GB'],
    ['list', '--simulate', 'H100-NVL-94GB']
  ]) {
    const unknown = await nvmlMig([...verb, '--dialect', 'migIndexHoles,holes'])
    t.equal(unknown.code, 1)
    t.match(
      unknown.stderr,
      "There is no dialect 'holes'; there are migIndexHoles, openProfileEnd, computeInstanceOfParent, staleMigHandles, " +
        'plainMigNames, misreportedCounts.'
    )
    t.match(await nvmlMig([...verb, '--variant', '2024']), {
      code: 1,
      stderr: "nvml-mig: simulate: variant of gpus[0] is 'mid-2024', not '2024'\n"
    })
  }
  t.match((await nvmlMig(['simulate', '--gpus', 'A30', '--variant', 'ecc'])).stderr, /A30 has no variants, not 'ecc'/)
  for (const option of ['--variant', '--dialect']) {
    const { stderr } = await nvmlMig(['list', option, 'plainMigNames'])
    t.match(stderr, `${option} goes with --simulate`)
  }
  const help = (await nvmlMig(['simulate', '--help'])).stdout.replace(/\s+/g, ' ')
  t.match(help, '--variant <label> make of the boards that docs/simulator.md lists, e.g. ecc')
  t.match(help, '--dialect <names> NAME[,NAME…] of migIndexHoles, openProfileEnd,')
})

t.test('a node without a place gets one', async t => {
  const { stdout, exit } = start(['simulate', '--json'], t.testdir())
  t.same(await exit, [0, null])
  const { dir, library } = JSON.parse(await stdout)
  t.ok(existsSync(library))
  t.match((await nvmlMig(['list', '--library', dir])).stdout, /^GPU 0: NVIDIA A100-SXM4-40GB/)
})

t.test('a command on a node', async t => {
  await t.test('finds it where the driver would be', async t => {
    const tmp = t.testdir()
    const inner = [process.execPath, MAIN, 'list']
    const { stdout, stderr, exit } = start(['simulate', '--gpus', 'A30', '--', ...inner], tmp)
    t.same(await exit, [0, null])
    t.match(await stdout, /^GPU 0: NVIDIA A30 /)
    t.equal(await stderr, '')
    t.same(nodesIn(tmp), [], 'the node is gone afterwards')
  })

  await t.test('keeps what else is on the library path', async t => {
    const script = 'console.log(process.env.LD_LIBRARY_PATH)'
    const run = start(['simulate', '--', process.execPath, '-e', script], t.testdir(), { LD_LIBRARY_PATH: '/opt/lib' })
    t.match(await run.stdout, /^\/.*:\/opt\/lib\n$/)
  })

  await t.test('its exit code is ours', async t => {
    const { exit } = start(['simulate', '--', process.execPath, '-e', 'process.exit(42)'], t.testdir())
    t.same(await exit, [42, null])
  })

  await t.test('killed, as a shell says it', async t => {
    const { exit } = start(['simulate', '--', process.execPath, '-e', "process.kill(process.pid, 'SIGKILL')"], t.testdir())
    t.same(await exit, [137, null])
  })

  await t.test('options after -- are its own', async t => {
    const { stdout, exit } = start(
      ['simulate', '--', process.execPath, '-e', 'console.log(process.argv[2])', 'x', '--json'],
      t.testdir()
    )
    t.same(await exit, [0, null])
    t.equal(await stdout, '--json\n')
  })

  await t.test('a signal reaches it, and the node goes', async t => {
    const tmp = t.testdir()
    const script = "process.on('SIGTERM', () => process.exit(7)); console.log('ready'); setInterval(() => {}, 1000)"
    const { child, stdout, exit } = start(['simulate', '--', process.execPath, '-e', script], tmp)
    await once(child.stdout, 'readable')
    child.kill('SIGTERM')
    t.same(await exit, [7, null])
    t.equal(await stdout, 'ready\n')
    t.same(nodesIn(tmp), [])
  })

  await t.test('one that is not there', async t => {
    const tmp = t.testdir()
    const { stderr, exit } = start(['simulate', '--', 'no-such-command-anywhere'], tmp)
    t.same(await exit, [1, null])
    t.match(await stderr, /^nvml-mig: cannot run no-such-command-anywhere: .*ENOENT/)
    t.same(nodesIn(tmp), [])
  })

  await t.test('with --json is refused', async t => {
    const { code, stderr } = await nvmlMig(['simulate', '--json', '--', 'true'])
    t.equal(code, 1)
    t.match(stderr, /--json/)
  })
})

t.test('without a driver, one sentence', { skip: existsSync('/dev/nvidiactl') && 'this machine has one' }, async t => {
  const { stdout, stderr, exit } = start(['list'], t.testdir())
  t.same(await exit, [1, null])
  t.equal(await stdout, '')
  t.match(await stderr, /^nvml-mig: cannot open NVML: .*libnvidia-ml\.so\.1.*\nWithout a GPU: --simulate A100-SXM4-40GB\n$/)
})
