// The package as a stranger gets it: packed, installed into an empty folder without running any
// script, then used from ES modules, CommonJS, TypeScript and the shell.
//   node scripts/smoke.mjs                with the binaries in the tarball
//   node scripts/smoke.mjs --from-source  also builds them anew in the installed package
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'nvml-mig-smoke-'))
const home = join(work, 'project')
const installed = join(home, 'node_modules/nvml-mig')

function run(command, args, options = {}) {
  return execFileSync(command, args, { cwd: home, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
}

function step(name, action) {
  const start = performance.now()
  const note = action()
  console.log(`ok  ${name}${note ? `: ${note}` : ''} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}

let tarball
function pack() {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', work], { cwd: root }))
  const names = packed.files.map(file => file.path)
  for (const wanted of [
    'LICENSE',
    'README.md',
    'dist/index.js',
    'dist/index.cjs',
    'dist/index.d.cts',
    'dist/simulator/index.d.cts',
    'dist/layout/index.d.cts',
    'prebuilds/linux-x64/nvml_mig.node',
    'prebuilds/linux-x64/libnvidia-ml.so.1'
  ]) {
    assert(names.includes(wanted), `the tarball lacks ${wanted}`)
  }
  const strays = names.filter(name =>
    /^(test|lib|scripts|bench|examples|etc|build)\/|^native\/(build|test)|\.[jt]s\.map$/.test(name)
  )
  assert.deepEqual(strays, [], 'the tarball holds files that only this project needs')
  tarball = join(work, packed.filename)
  return `${names.length} files, ${(packed.size / 1024).toFixed(0)} KiB packed, ${(packed.unpackedSize / 1024).toFixed(0)} KiB unpacked`
}

function install() {
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', tarball])
  const scripts = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')).scripts ?? {}
  for (const name of ['preinstall', 'install', 'postinstall']) assert(!scripts[name], `${name} would run at install`)
  assert(!existsSync(join(installed, 'build')), 'nothing is built at install')
  // Paths of the machine that built it would tell strangers about it and break their builds.
  const files = readdirSync(installed, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const telling = files.filter(file => readFileSync(join(file.parentPath, file.name)).includes(root)).map(file => file.name)
  assert.deepEqual(telling, [], 'files that name the folder they were built in')
}

/** What each module form does: the short life of one MIG device on a node of its own. */
const story = `
  const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
  const nvml = await open({ library: node.library, root: node.root })
  const gpu = nvml.gpu(0)
  await gpu.setMigMode(true)
  const mig = await gpu.create('3g.20gb')
  assert.equal(mig.profile, '3g.20gb')
  assert.deepEqual((await gpu.devices()).map(device => device.uuid), [mig.uuid])
  await assert.rejects(gpu.create('7g.40gb'), error => error instanceof NvmlError && error.code === 'INSUFFICIENT_RESOURCES')
  await mig.destroy()
  await nvml.close()
  await node.close()
  assert.equal(parseProfileName('MIG 1c.3g.20gb').slices, 3)
`
const imports = `import assert from 'node:assert/strict'
import { NvmlError, open } from 'nvml-mig'
import { parseProfileName } from 'nvml-mig/layout'
import { simulate } from 'nvml-mig/simulator'
`
const requires = imports.replaceAll(/import (.*) from ('.*')/g, 'const $1 = require($2)')

function runModules() {
  writeFileSync(join(home, 'use.mjs'), imports + story)
  writeFileSync(join(home, 'use.cjs'), `${requires};(async () => {${story}})()`)
  writeFileSync(
    join(home, 'same.mjs'),
    `import * as esm from 'nvml-mig'
import { createRequire } from 'node:module'
const cjs = createRequire(import.meta.url)('nvml-mig')
for (const name of ['NvmlError', 'LayoutError', 'SessionError']) if (cjs[name] !== esm[name] || !esm[name]) throw new Error(name + ' differs')`
  )
  for (const file of ['use.mjs', 'use.cjs', 'same.mjs']) run(process.execPath, [file])
}

function compileTypes() {
  const typed = story.replace('const mig =', 'const mig: MigDevice =')
  writeFileSync(join(home, 'use.mts'), `${imports}import type { MigDevice } from 'nvml-mig'\n${typed}`)
  // A .cts file has no top-level await and, compiled, requires.
  writeFileSync(
    join(home, 'use.cts'),
    `${imports.replace("import assert from 'node:assert/strict'", "import assert = require('node:assert/strict')")}
import type { MigDevice } from 'nvml-mig'\nexport async function main(): Promise<void> {${typed}}`
  )
  const options = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, skipLibCheck: false, types: ['node'] }
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['use.mts', 'use.cts'] }))
  cpSync(join(root, 'node_modules/@types/node'), join(home, 'node_modules/@types/node'), { recursive: true, dereference: true })
  cpSync(join(root, 'node_modules/undici-types'), join(home, 'node_modules/undici-types'), { recursive: true, dereference: true })
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { stdio: 'inherit' })
}

function useShell() {
  const text = run('npx', ['--no-install', 'nvml-mig', 'list', '--simulate', 'A100-SXM4-40GB'])
  assert.match(text, /^GPU 0: NVIDIA A100-SXM4-40GB/)
  const json = JSON.parse(run('npx', ['--no-install', 'nvml-mig', 'profiles', '--json', '--simulate', 'A100-SXM4-40GB']))
  assert.equal(json.format, 'nvml-mig-profiles/1')
}

function buildFromSource() {
  rmSync(join(installed, 'prebuilds'), { recursive: true })
  run('npx', ['--yes', 'node-gyp', 'rebuild', '-j', '2'], { cwd: installed, stdio: ['ignore', 'ignore', 'inherit'] })
  run(process.execPath, ['use.mjs'])
}

try {
  step('packs what users need and nothing else', pack)
  step('installs without a script', install)
  step('import and require, the same classes', runModules)
  step('types from .mts and .cts', compileTypes)
  step('npx nvml-mig', useShell)
  if (process.argv.includes('--from-source')) step('built from the sources in the tarball', buildFromSource)
} finally {
  rmSync(work, { recursive: true, force: true })
}
