// npm runs this after `npm ci` in a checkout (never for a package installed from a tarball): builds
// what is missing, so that `npm start` and `npm test` work at once. NVML_MIG_SKIP_PREPARE=1 skips it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const has = path => existsSync(root + path)
const resolve = createRequire(import.meta.url).resolve

/** Builds `what` by its npm script, which is where node-gyp finds the headers npm knows of. */
function run(script) {
  // Under `npm ci`, npm names itself; by hand, the one on PATH serves.
  const npm = process.env.npm_execpath
  execFileSync(npm ? process.execPath : 'npm', [...(npm ? [npm] : []), 'run', script], { cwd: root, stdio: 'inherit' })
}

function installed(name) {
  try {
    return Boolean(resolve(name))
  } catch {
    return false
  }
}

const missing = []
if (!has('build/Release/nvml_mig.node') || !has('build/Release/libnvidia-ml.so.1')) missing.push('build:native')
if (!has('dist/index.js')) missing.push('build:ts')

if (missing.length === 0) {
  // Everything is there.
} else if (process.env.NVML_MIG_SKIP_PREPARE) {
  console.log(`nvml-mig: NVML_MIG_SKIP_PREPARE is set; still to do: npm run ${missing.join(' && npm run ')}`)
} else if (!installed('typescript/package.json') || !installed('node-gyp/package.json')) {
  console.log('nvml-mig: the development tools are not installed (npm ci without --omit=dev brings them), so nothing was built')
} else {
  for (const script of missing) run(script)
}
