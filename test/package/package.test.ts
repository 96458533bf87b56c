/** What users get: the manifest and the list of packed files. scripts/smoke.mjs installs and uses them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Every file that the manifest names. */
function named(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return Object.values(value as object).flatMap(named)
}

t.test('every file the manifest names is built', async t => {
  const paths = named([manifest.main, manifest.types, manifest.exports, manifest.bin])
  t.same(
    paths.filter(path => !existsSync(join(root, path))),
    []
  )
  t.ok(statSync(join(root, manifest.bin['nvml-mig'])).mode & 0o111, 'the program can be run')
})

t.test('the tarball holds what users need and nothing else', async t => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  const paths = files.map(file => file.path)
  const known =
    /^(dist|prebuilds|native|docs)\/|^(binding\.gyp|package\.json|(README|ARCHITECTURE|CONTRIBUTING|CHANGELOG)\.md|LICENSE)$/
  t.same(
    paths.filter(path => !known.test(path) || /^native\/(build|test)|\.[jt]s\.map$/.test(path)),
    []
  )
  for (const path of ['LICENSE', 'README.md', 'binding.gyp', 'native/abi/symbols.h', 'dist/index.js'])
    t.ok(paths.includes(path), path)
})

t.test('installing runs nothing', async t => {
  for (const name of ['preinstall', 'install', 'postinstall']) t.notOk(manifest.scripts[name], name)
  t.equal(manifest.gypfile, false, 'nor does npm build a package for having a binding.gyp')
})

t.test('import and require give the same classes', async t => {
  const require = createRequire(join(root, 'package.json'))
  for (const entry of ['nvml-mig', 'nvml-mig/simulator', 'nvml-mig/layout']) {
    const required = require(entry)
    const imported = await import(entry)
    t.same(Object.keys(required).sort(), Object.keys(imported).sort(), entry)
    for (const name of Object.keys(imported)) t.equal(required[name], imported[name], `${entry} ${name}`)
  }
})

t.test('the entries import without a driver, and say nothing', async t => {
  for (const entry of ['nvml-mig', 'nvml-mig/simulator', 'nvml-mig/layout']) {
    const output = execFileSync(process.execPath, ['-e', `import('${entry}').then(() => require('${entry}'))`], {
      cwd: root,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    t.equal(output, '', entry)
  }
})
