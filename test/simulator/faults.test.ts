/** Faults as people inject them, and our own library meeting them. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { open } from '../../lib/index.js'
import { type CallFault, type FaultOptions, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { snapshotFrom, throughJson } from '../helpers/snapshots.js'

const A100: SimulateOptions = { gpus: ['A100-SXM4-40GB'] }
const MODE = 'nvmlDeviceGetMigMode'
const SET_MODE = 'nvmlDeviceSetMigMode'
const CREATE = 'nvmlDeviceCreateGpuInstance'

/** Once it has fired, which it has before it acts. Nothing tells of it but the question. */
async function fired(fault: CallFault): Promise<void> {
  while (fault.fired === 0) await setImmediate()
}

t.test('the n-th call of a function is refused', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const fault = node.inject({ call: CREATE, nth: 2, returns: 'INSUFFICIENT_RESOURCES' })
  const gpu = nvml.gpu(0)
  await gpu.createGpuInstance('1g.5gb')
  await t.rejects(gpu.createGpuInstance('1g.5gb'), {
    name: 'NvmlError',
    code: 'INSUFFICIENT_RESOURCES',
    status: 23,
    call: CREATE
  })
  await gpu.createGpuInstance('1g.5gb')
  t.match(fault, { call: CREATE, matched: 3, fired: 1 })
  t.equal((await gpu.instances()).length, 2)
  t.equal(node.calls(CREATE), 3)
})

t.test('a call has its effect and answers another code', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  using fault = node.inject({ call: CREATE, returns: 999, after: true })
  await t.rejects(nvml.gpu(0).createGpuInstance('3g.20gb'), { code: 'UNKNOWN', status: 999 })
  t.match(await nvml.gpu(0).instances(), [{ profile: '3g.20gb' }])
  t.equal(fault.fired, 1)
  node.check()
})

t.test('a call says that it succeeded, and did nothing', async t => {
  const { node, nvml } = await openNode(t, A100)
  node.inject({ call: 'nvmlDeviceSetMigMode', nth: 1, returns: 'SUCCESS' })
  t.match(await nvml.gpu(0).setMigMode(true), { current: false, pending: false })
})

t.test('a code of no name keeps its number', async t => {
  const { node, nvml } = await openNode(t, A100)
  node.inject({ call: MODE, returns: 77 })
  await t.rejects(nvml.gpu(0).migMode(), { code: 'UNKNOWN', status: 77 })
})

t.test('a seeded chance strikes the calls that its hash says', async t => {
  // splitmix64 of the state seed * 2^32 + number, its upper half held against chance * 2^32.
  const MASK = (1n << 64n) - 1n
  const draw = (seed: bigint, number: bigint): bigint => {
    let bits = ((seed << 32n) + number + 0x9e3779b97f4a7c15n) & MASK
    bits = ((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
    bits = ((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn) & MASK
    return (bits ^ (bits >> 31n)) >> 32n
  }
  const { node, nvml } = await openNode(t, A100)
  const calls = Array.from({ length: 100 }, (_, i) => i + 1)
  const said = calls.filter(number => draw(7n, BigInt(number)) < 2n ** 30n)
  const fault = node.inject({ call: MODE, chance: 0.25, seed: 7, returns: 'TIMEOUT' })
  const before = node.calls(MODE)
  const struck: number[] = []
  for (const number of calls)
    await nvml
      .gpu(0)
      .migMode()
      .catch(() => struck.push(number))
  t.equal(node.calls(MODE) - before, calls.length, 'each asks NVML once')
  t.same(struck, said)
  t.match(fault, { matched: calls.length, fired: said.length })
})

t.test('a delayed call holds up its session, and nothing else', async t => {
  const { node, nvml } = await openNode(t, A100)
  const delayMs = 60
  const fault = node.inject({ call: MODE, delayMs, times: 1 })
  const start = performance.now()
  const call = nvml.gpu(0).migMode()
  await fired(fault)
  node.check()
  await using other = await open({ library: node.library })
  await other.gpu(0).migMode()
  t.same(await call, { current: false, pending: false })
  t.ok(performance.now() - start >= delayMs)
})

t.test('a call that keeps its thread busy takes longer by so much', async t => {
  const { node, nvml } = await openNode(t, A100)
  const busyMicroseconds = 20_000
  const fault = node.inject({ call: MODE, busyMicroseconds, times: 1 })
  const start = performance.now()
  await nvml.gpu(0).migMode()
  t.ok(performance.now() - start >= busyMicroseconds / 1_000)
  t.equal(fault.fired, 1)
})

t.test('a call that hangs goes on when it is released', async t => {
  const { node, nvml } = await openNode(t, A100)
  const fault = node.inject({ call: MODE, hangs: true })
  const call = nvml.gpu(0).migMode()
  await fired(fault)
  node.setReadings(0, { powerMilliwatts: 100_000 })
  fault.release()
  t.same(await call, { current: false, pending: false })
  await nvml.gpu(0).migMode()
  t.match(fault, { matched: 2, fired: 1 }, 'nothing hangs in it any more')
})

t.test('a session whose call hangs is closed all the same', async t => {
  const { node, nvml } = await openNode(t, A100)
  const fault = node.inject({ call: SET_MODE, hangs: true })
  const call = nvml.gpu(0).setMigMode(true)
  await fired(fault)
  const ends = nvml.close({ timeoutMs: 20 })
  await t.rejects(call, { name: 'SessionError', code: 'ABANDONED' })
  await ends
  await node.close() // what hangs goes on
})

t.test('a process is killed before the effect, and after it', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] })
  const script = fileURLToPath(new URL('../helpers/processes/change-mode.mjs', import.meta.url))
  for (const after of [false, true]) {
    const child = fork(script, [node.library], { execArgv: [] })
    await once(child, 'message')
    const fault = node.inject({ call: SET_MODE, kills: true, after, pid: child.pid! })
    child.send('go')
    t.same(await once(child, 'exit'), [null, 'SIGKILL'])
    t.match(fault, { matched: 1, fired: 1 })
    t.match(await nvml.gpu(0).migMode(), { current: after })
    node.check()
    fault.remove()
  }
})

t.test('what was injected, and what of it stands', async t => {
  const dir = join(t.testdir(), 'node')
  const { node, nvml } = await openNode(t, { ...A100, dir })
  t.same(node.faults(), [])
  const first = node.inject({ call: MODE, returns: 'TIMEOUT' })
  const any = node.inject({ delayMs: 1 })
  t.match(any, { call: undefined })
  await t.rejects(nvml.gpu(0).migMode(), { code: 'TIMEOUT' })
  t.same(node.faults(), [first, any])
  first.remove()
  first.remove()
  t.match(first, { matched: 1, fired: 1 }, 'a fault that was removed keeps its figures')
  await nvml.gpu(0).migMode()
  t.match(first, { matched: 1, fired: 1 })
  t.same(node.faults(), [any])
  t.throws(() => any.release(), {
    name: 'SimulatorError',
    code: 'INVALID_ARGUMENT',
    message: 'Nothing hangs in fault 2, so nothing can be released.'
  })
  {
    using third = node.inject({ call: MODE, returns: 'MEMORY' })
    t.same(node.faults(), [any, third])
  }
  t.same(node.faults(), [any])

  const other = await simulate({ ...A100, dir })
  t.same(other.faults(), [], 'each object has its own')
  await other.close()
  t.throws(() => other.inject({ hangs: true }), { code: 'CLOSED' })
})

t.test('a node has room for 32', async t => {
  const node = await simulate(A100)
  t.teardown(() => node.close())
  for (let i = 0; i < 32; i++) node.inject({ call: MODE, nth: 1000, returns: i })
  t.throws(() => node.inject({ delayMs: 1 }), {
    code: 'INSUFFICIENT_RESOURCES',
    message: '32 faults stand in this node, which is all there is room for: remove one first.'
  })
  t.equal(node.faults().length, 32)
  node.faults()[7]!.remove()
  node.inject({ delayMs: 1 })
})

t.test('a node that is made with faults has them from the first call on', async t => {
  const dir = join(t.testdir(), 'node')
  const faults: FaultOptions[] = [
    { call: 'nvmlInit_v2', nth: 1, returns: 'NO_PERMISSION' },
    { call: SET_MODE, nth: 2, times: Number.POSITIVE_INFINITY, returns: 'GPU_IS_LOST' }
  ]
  const node = await simulate({ ...A100, dir, faults })
  await t.rejects(open({ library: node.library }), { code: 'NO_PERMISSION', call: 'nvmlInit_v2' })
  await using nvml = await open({ library: node.library })
  await nvml.gpu(0).setMigMode(true)
  await t.rejects(nvml.gpu(0).setMigMode(false), { code: 'GPU_IS_LOST' })
  await t.rejects(nvml.gpu(0).setMigMode(false), { code: 'GPU_IS_LOST' })
  t.match(node.faults(), [
    { call: 'nvmlInit_v2', matched: 2, fired: 1 },
    { call: SET_MODE, matched: 3, fired: 2 }
  ])
  const written = JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8')).request.faults
  const usual = { chance: 1, seed: 0, pid: null, after: false }
  t.same(written, [
    { call: 'nvmlInit_v2', nth: 1, times: 1, ...usual, returns: 4 },
    { call: SET_MODE, nth: 2, times: null, ...usual, returns: 15 }
  ])

  const again = await simulate({ ...A100, dir, faults })
  t.match(again.faults(), [{ fired: 1 }, { fired: 2 }], 'who takes the node again sees what fired')
  again.faults()[0]!.remove()
  t.match(node.faults(), [{ call: SET_MODE }])
  await t.rejects(simulate({ ...A100, dir }), {
    code: 'DIFFERENT_NODE',
    message: /holds another node: faults of its own, not these\. /
  })
  await t.rejects(simulate({ ...A100, faults: [...faults, { call: 'nvmlInit', delayMs: 0 }] }), {
    name: 'RangeError',
    message: 'simulate: faults[2]: delayMs is a whole number from 1 on, not 0'
  })
  await t.rejects(simulate({ ...A100, faults: {} as [] }), { name: 'TypeError', message: /^simulate: faults is a list such as / })
})

t.test('what no fault can be is a sentence, and nothing was changed', async t => {
  const node = await simulate({ gpus: ['A100-SXM4-40GB*2'], driver: '460' })
  t.teardown(() => node.close())
  const wrong: [options: unknown, name: string, message: string | RegExp][] = [
    ['hang', 'TypeError', "inject: options are an object like { call: … }, not 'hang'"],
    [{ call: MODE, retuns: 3 }, 'TypeError', "inject has no option 'retuns'; did you mean 'returns'?"],
    [{ call: MODE }, 'TypeError', 'inject says nothing to go wrong: give returns, delayMs, busyMicroseconds, hangs or kills'],
    [{ hangs: false }, 'TypeError', 'inject says nothing to go wrong: give returns, delayMs, busyMicroseconds, hangs or kills'],
    [{ hangs: 1 }, 'TypeError', 'inject: hangs is true or false, not 1'],
    [
      { returns: 3, delayMs: 5, kills: true },
      'TypeError',
      'inject: returns, delayMs and kills are faults of their own; give one of them'
    ],
    [{ call: 7, hangs: true }, 'TypeError', "inject: call is a string such as 'nvmlDeviceGetMigMode', not 7"],
    [
      { call: 'nvmlDeviceGetNam', hangs: true },
      'RangeError',
      "inject: NVML has no function 'nvmlDeviceGetNam' in any release that the simulator knows; did you mean 'nvmlDeviceGetName'?"
    ],
    [
      { call: 'cudaMalloc', hangs: true },
      'RangeError',
      "inject: NVML has no function 'cudaMalloc' in any release that the simulator knows"
    ],
    [{ call: 'toString', hangs: true }, 'RangeError', /^inject: NVML has no function 'toString'/],
    [
      { call: 'nvmlDeviceGetMemoryInfo_v2', hangs: true },
      'RangeError',
      /^inject: driver 460\.[\d.]+ has no function 'nvmlDeviceGetMemoryInfo_v2'; drivers have it from 510 on$/
    ],
    [
      { call: 'nvmlDeviceCcuGetStreamState', hangs: true },
      'RangeError',
      /^inject: driver 460\.[\d.]+ has no function 'nvmlDeviceCcuGetStreamState'; drivers have it from 525\.147\.05 to 525\.147\.05$/
    ],
    [
      { call: 'nvmlErrorString', returns: 3 },
      'RangeError',
      'inject: nvmlErrorString answers with words, so it cannot return a code'
    ],
    [{ returns: 'GPU_IS_LOSED' }, 'RangeError', "inject: NVML has no code 'GPU_IS_LOSED'; did you mean 'GPU_IS_LOST'?"],
    [{ returns: 'NVML_ERROR_TIMEOUT' }, 'RangeError', "inject: NVML has no code 'NVML_ERROR_TIMEOUT'; did you mean 'TIMEOUT'?"],
    [{ returns: 'xyz' }, 'RangeError', "inject: NVML has no code 'xyz'; its codes are such as 'IN_USE'"],
    [{ returns: 1000 }, 'RangeError', 'inject: returns is a whole number from 0 to 999, not 1000'],
    [{ returns: 1.5 }, 'RangeError', 'inject: returns is a whole number from 0 to 999, not 1.5'],
    [{ returns: true }, 'TypeError', "inject: returns is a code such as 'IN_USE', or its number, not true"],
    [{ delayMs: 0 }, 'RangeError', 'inject: delayMs is a whole number from 1 on, not 0'],
    [{ busyMicroseconds: 1.5 }, 'RangeError', 'inject: busyMicroseconds is a whole number from 1 on, not 1.5'],
    [{ delayMs: '5' }, 'TypeError', "inject: delayMs is a number, not '5'"],
    [{ hangs: true, nth: 0 }, 'RangeError', 'inject: nth is a whole number from 1 on, not 0'],
    [{ hangs: true, times: -1 }, 'RangeError', 'inject: times is a whole number from 1 on, not -1'],
    [{ hangs: true, chance: 0.5, seed: 2 ** 32 }, 'RangeError', 'inject: seed is at most 4294967294, not 4294967296'],
    [{ hangs: true, pid: -3 }, 'RangeError', 'inject: pid is a whole number from 1 on, not -3'],
    [{ hangs: true, chance: 1.1 }, 'RangeError', 'inject: chance is from 0 to 1, not 1.1'],
    [{ hangs: true, chance: Number.NaN }, 'RangeError', 'inject: chance is from 0 to 1, not NaN'],
    [{ hangs: true, chance: '1' }, 'TypeError', "inject: chance is a number from 0 to 1, not '1'"],
    [{ hangs: true, seed: 3 }, 'TypeError', 'inject: a seed is that of a chance, which is missing'],
    [{ hangs: true, pid: 0 }, 'RangeError', 'inject: pid is a whole number from 1 on, not 0'],
    [{ hangs: true, after: 1 }, 'TypeError', 'inject: after is true or false, not 1'],
    [{ gpu: 0 }, 'TypeError', 'inject says nothing to go wrong: give lost or resetRequired'],
    [
      { gpu: 0, lost: true, resetRequired: true },
      'TypeError',
      'inject: lost and resetRequired are faults of their own; give one of them'
    ],
    [{ lost: true }, 'TypeError', 'inject: gpu is a number, not undefined'],
    [{ gpu: 2, lost: true }, 'RangeError', 'inject: there is no GPU 2; this node has GPUs 0 to 1'],
    [
      { gpu: 0, lost: true, call: MODE },
      'TypeError',
      'inject: a GPU goes wrong for every call about it, so call has no meaning beside gpu'
    ]
  ]
  for (const [options, name, message] of wrong) {
    t.throws(() => node.inject(options as FaultOptions), { name, message }, JSON.stringify(options))
  }
  t.same(node.faults(), [])
  await using nvml = await open({ library: node.library })
  await nvml.gpu(0).migMode()
})

t.test('a node replayed from a driver newer than the simulator knows takes the faults of the newest that it does', async t => {
  const from = throughJson(await snapshotFrom(A100))
  const driver = { ...from.driver, version: '620.10.01' }
  const options = { call: MODE, returns: 'TIMEOUT' } as const
  const node = await simulate({ from: { ...from, driver }, faults: [options] })
  t.teardown(() => node.close())
  node.faults()[0]!.remove()
  await using nvml = await open({ library: node.library })
  const fault = node.inject(options)
  await t.rejects(nvml.gpu(0).migMode(), { code: 'TIMEOUT' })
  t.equal(fault.fired, 1)
})

t.test('a fault that has ended keeps its figures, and what would end it again does nothing', async t => {
  const dir = join(t.testdir(), 'node')
  const { node, nvml } = await openNode(t, { ...A100, dir })
  const fault = node.inject({ call: MODE, returns: 'TIMEOUT' })
  const hang = node.inject({ call: SET_MODE, hangs: true })
  await t.rejects(nvml.gpu(0).migMode(), { code: 'TIMEOUT' })
  hang.remove()
  hang.release()

  const reset = node.inject({ gpu: 0, resetRequired: true })
  await node.close()
  t.match(fault, { matched: 1, fired: 1 }, 'nobody asked for them before the end')
  for (const each of [fault, hang]) {
    each.release()
    each.remove()
    each[Symbol.dispose]()
  }
  reset.remove()
  reset[Symbol.dispose]()
  t.match(fault, { matched: 1, fired: 1 })
  t.throws(() => node.faults(), { code: 'CLOSED' })

  await using again = await simulate({ ...A100, dir })
  t.same(again.faults(), [], 'it did not inject them')
  await t.rejects(nvml.gpu(0).setMigMode(true), { code: 'RESET_REQUIRED' }, 'but a node of its own place keeps them')
  again.reset(0)
  await t.rejects(nvml.gpu(0).migMode(), { code: 'TIMEOUT' })
})

t.test('the node is removed while its faults stand', async t => {
  const node = await simulate(A100)
  const fault = node.inject({ call: MODE, hangs: true })
  rmSync(node.dir, { recursive: true })
  await node.close()
  t.match(fault, { matched: 0, fired: 0 })
  fault.remove()
})
