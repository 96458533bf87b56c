// npm runs this before it packs: builds both halves and lays the stripped binaries where the loader
// of an installed package looks (lib/binding.ts). make and tsc decide what is out of date.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const binaries = ['nvml_mig.node', 'libnvidia-ml.so.1']
const target = `${root}prebuilds/${process.platform}-${process.arch}/`
// `npm pack --json` speaks on stdout, so what the tools say goes to stderr.
const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })

if (process.platform !== 'linux') throw new Error(`binaries are shipped for Linux only, this is ${process.platform}`)
run('npx', ['--no-install', 'node-gyp', 'configure', 'build', '-j', '2'])
run('npm', ['run', 'build:ts'])
mkdirSync(target, { recursive: true })
for (const name of binaries) {
  copyFileSync(`${root}build/Release/${name}`, target + name)
  run('strip', ['--strip-unneeded', target + name])
}
