/** What a newcomer runs first: the walk-through, and the code of the README. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { simulate } from '../../lib/simulator/index.js'
import { nvmlMig, stage } from '../cli/helpers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** Runs a program as on a machine whose driver is the node's. */
function run(args: readonly string[], dir: string, tmp: string): string {
  return execFileSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: dir, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

t.test('the walk-through', async t => {
  const { node, nvml } = await stage(t)
  const output = run(['examples/walkthrough.mjs'], '', t.testdir())
  for (const call of [
    'gpu.setMigMode(true)',
    'gpu.profiles()',
    "gpu.placements('3g.20gb')",
    'gpu.create(9)',
    'first.destroy()'
  ]) {
    t.match(output, call)
  }
  t.equal(output.match(/^ {2}3g\.20gb +\d +[12] +0 +19968 +42 +MIG-/gm)?.length, 4, 'each 3g.20gb as created, then in the list')
  t.match(output, /│ 3g\.20gb +│ 3g\.20gb +│\n.*│ GI 1 +│ GI 2 +│/)
  t.match(output, /│ {2}free {2}│ memory │\n.*\n.*\n$/, 'it ends with the drawing')

  await nvml.gpu(0).setMigMode(true)
  await nvml.gpu(0).create('2g.10gb')
  const before = JSON.stringify(await nvml.gpu(0).instances())
  const real = run(['examples/walkthrough.mjs', '--real'], node.dir, t.testdir())
  t.match(real, '│ 2g.10gb')
  t.notMatch(real, /create|destroy|setMigMode/)
  t.equal(JSON.stringify(await nvml.gpu(0).instances()), before, '--real changes nothing')
})

t.test('the code of the README runs', async t => {
  const blocks = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(match => match[1]!)
  t.ok(blocks.length > 1)
  // Without a session of this process, which would keep a change of MIG mode pending.
  const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
  t.teardown(() => node.close())
  for (const block of blocks) {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', block], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: node.dir, TMPDIR: t.testdir() }
    })
    t.same({ status, stderr }, { status: 0, stderr: '' }, block.split('\n').at(-2) ?? '')
  }
})

t.test('the session of the README is what comes out', async t => {
  const [, session] = /^```\n(\$ nvml-mig [\s\S]*?)^```$/m.exec(readme) ?? []
  const { on } = await stage(t, undefined, { mig: true })
  for (const part of session!.split(/^\$ nvml-mig /m).slice(1)) {
    const [line = '', ...expected] = part.trimEnd().split('\n')
    const { code, stdout } = await on(line)
    t.equal(code, 0, line)
    t.same(stdout.trimEnd().split('\n'), expected)
  }
})

t.test('the verbs of the README are those there are', async t => {
  const { stdout } = await nvmlMig(['--help'])
  const verbs = [...stdout.matchAll(/^ {2}(\w+) (?:\[|<)/gm)].map(match => match[1]!).filter(verb => verb !== 'help')
  const table = readme.slice(readme.indexOf('| verb |'), readme.indexOf('Each takes'))
  for (const verb of verbs) t.match(table, new RegExp(`\`${verb}\\b`), verb)
})
