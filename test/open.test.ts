/** Opening: what is tried, and how a failure reads. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { open } from '../lib/index.js'
import { loadedModule } from '../lib/kernel-module.js'
import { openNode } from './helpers/node.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }
const run = promisify(execFile)

t.test('no driver', async t => {
  const child = fileURLToPath(new URL('./helpers/processes/no-driver.ts', import.meta.url))
  const { stdout, stderr } = await run(process.execPath, [...process.execArgv, child], {
    env: { ...process.env, LD_LIBRARY_PATH: '' }
  })
  const seen = JSON.parse(stdout)
  if (seen.opened) return t.comment('this machine has a driver: nothing to see')
  t.equal(stderr, '')
  t.match(seen, { name: 'SessionError', code: 'LIBRARY_NOT_FOUND' })
  t.match(
    seen.message,
    /^cannot open NVML: the loader finds no libnvidia-ml\.so\.1 \(.*libnvidia-ml\.so\.1.*\)\./,
    'what was tried'
  )
  t.match(seen.message, /Install the NVIDIA driver .*open\(\{ library \}\).*simulate\(\)/, 'what would help')
  t.equal(seen.threadsAfter, seen.threadsBefore, 'no thread was started')
  t.same(seen.children, [], 'no process was started')
  t.match(seen.stack, /at async tryIt .*no-driver\.ts/, 'the stack is the caller’s')
})

t.test('a file that is not there, or not NVML', async t => {
  await t.rejects(open({ library: '/nowhere/libnvidia-ml.so.1' }), {
    name: 'SessionError',
    code: 'LIBRARY_NOT_FOUND',
    message:
      /^cannot open NVML: the loader cannot load \/nowhere\/libnvidia-ml\.so\.1 \(.*\)\. 'library' names the file of an NVML library/
  })
  await t.rejects(open({ library: fileURLToPath(import.meta.url) }), { code: 'LIBRARY_NOT_FOUND', message: /open\.test\.ts/ })
  const [other] = /\/\S*libm\.so\S*/.exec(readFileSync('/proc/self/maps', 'utf8')) ?? []
  await t.rejects(open({ library: other! }), {
    code: 'NOT_NVML',
    message: `cannot open NVML: ${other} is not NVML: it has no nvmlInit_v2`
  })
})

t.test('without a library name after one was opened by path', async t => {
  const { nvml } = await openNode(t, A100)
  await t.rejects(open(), {
    name: 'SessionError',
    code: 'AMBIGUOUS_LIBRARY',
    message: /^cannot open NVML: without 'library' the loader would hand out the library that this process opened by path before/
  })
  t.ok(await nvml.gpu(0).migMode(), 'the open session goes on')
})

t.test('options', async t => {
  // @ts-expect-error a file name is a string
  await t.rejects(open({ library: 4 }), new TypeError('open: library is a string, not 4'))
  await t.rejects(open({ library: '' }), RangeError)
  // @ts-expect-error a flag is a boolean
  await t.rejects(open({ readOnly: 'no' }), new TypeError("open: readOnly is true or false, not 'no'"))
  // @ts-expect-error a folder is a string
  await t.rejects(open({ root: null }), new TypeError('open: root is a string, not null'))
  // @ts-expect-error there is no such option
  await t.rejects(open({ libary: '/x' }), new TypeError("open has no option 'libary'; did you mean 'library'?"))
  // @ts-expect-error options are an object
  await t.rejects(open('/x'), { name: 'TypeError', message: /^open: options are an object like \{ library: … \}, not '\/x'/ })
})

t.test('which kernel module is loaded', async t => {
  const root = (text: string) => t.testdir({ proc: { driver: { nvidia: { version: text } } } })
  const closed =
    'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Sat Feb 17 22:55:48 UTC 2024\nGCC version:  gcc 12\n'
  const opened = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.163.01  Release Build  (dvs)\n'
  t.equal(await loadedModule(root(closed)), '535.161.08')
  t.equal(await loadedModule(root(opened)), '550.163.01')
  t.equal(await loadedModule(root('something else')), undefined)
  t.equal(await loadedModule(t.testdir({})), undefined)
})

t.test('two sessions on one library, two libraries in one process', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const again = await open({ library: node.library })
  const elsewhere = await openNode(t, { gpus: ['A30'] })
  t.match(elsewhere.nvml.gpus, [{ name: 'NVIDIA A30' }])
  const mig = await again.gpu(0).create('1g.5gb')
  t.match(await nvml.find(mig.uuid), { uuid: mig.uuid })
  await again.close()
  t.equal((await nvml.gpu(0).devices()).length, 1, 'one session’s end is not the other’s')
  t.same(await elsewhere.nvml.gpu(0).devices(), [])
})
