/** A GPU: identity, MIG mode, profiles, placements, creating and listing. Figures: the recorded rows of the boards, driver 550. */
import t from 'tap'
import { LayoutError, type MigModeChange } from '../lib/index.js'
import { openNode } from './helpers/node.js'
import { refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

t.test('identity', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB', 'A30'] })
  t.match(nvml.gpus, { length: 3 })
  for (const [index, gpu] of nvml.gpus.entries()) {
    const made = node.gpus[index]!
    t.match(gpu, { index, uuid: made.uuid, name: made.name, pciBusId: made.pciBusId, serial: made.serial, minorNumber: index })
    t.match(gpu, { migCapable: true, unavailable: null })
  }
  t.match(nvml.gpus[0], { name: 'NVIDIA A100-SXM4-40GB', memoryMiB: 40960, architecture: 'Ampere', computeCapability: '8.0' })
  t.match(nvml.gpus[1], { name: 'NVIDIA H100 80GB HBM3', memoryMiB: 81559, architecture: 'Hopper', computeCapability: '9.0' })
  t.match(nvml.gpus[2], { name: 'NVIDIA A30', memoryMiB: 24576, architecture: 'Ampere', computeCapability: '8.0' })
})

t.test('MIG mode', async t => {
  const { node, nvml } = await openNode(t, A100)
  const gpu = nvml.gpu(0)
  t.same(await gpu.migMode(), { current: false, pending: false })
  t.same(await gpu.setMigMode(true), { current: true, pending: true, activation: 'done', status: 0 })
  t.same(await gpu.migMode(), { current: true, pending: true })
  const gi = await gpu.createGpuInstance('1g.5gb')
  await refuses(
    t,
    { node, nvml },
    () => gpu.setMigMode(false),
    {
      name: 'NvmlError',
      code: 'IN_USE',
      status: 19,
      call: 'nvmlDeviceSetMigMode',
      gpu: 0,
      message: 'nvmlDeviceSetMigMode: cannot disable MIG on GPU 0: it is in use (IN_USE)',
      hint: /Destroy the instances of the GPU/
    },
    { asked: true }
  )
  await gi.destroy()
  t.match(await gpu.setMigMode(false), { current: false, pending: false, activation: 'done' })
})

t.test('a change of the mode that waits for a reset', async t => {
  const { node, nvml } = await openNode(t, A100)
  const client = node.startClient({ gpu: 0 })
  const change: MigModeChange = await nvml.gpu(0).setMigMode(true)
  t.same(change, { current: false, pending: true, activation: 'in-use', status: 19 })
  t.same(await nvml.gpu(0).migMode(), { current: false, pending: true })
  client.stop()
  node.reset(0)
  t.same(await nvml.gpu(0).migMode(), { current: true, pending: true })

  const virtual = await openNode(t, { ...A100, platform: 'passthrough' })
  t.match(await virtual.nvml.gpu(0).setMigMode(true), { current: false, pending: true, activation: 'reset-required', status: 16 })
})

t.test('profiles', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const profiles = await nvml.gpu(0).profiles()
  t.same(
    profiles.map(({ name, id, slices, memoryMiB, multiprocessors, maxInstances, remaining }) => [
      name,
      id,
      slices,
      memoryMiB,
      multiprocessors,
      maxInstances,
      remaining
    ]),
    [
      ['1g.5gb', 19, 1, 4864, 14, 7, 7],
      ['1g.5gb+me', 20, 1, 4864, 14, 1, 1],
      ['1g.10gb', 15, 1, 9856, 14, 4, 4],
      ['2g.10gb', 14, 2, 9856, 28, 3, 3],
      ['3g.20gb', 9, 3, 19968, 42, 2, 2],
      ['4g.20gb', 5, 4, 19968, 56, 1, 1],
      ['7g.40gb', 0, 7, 40192, 98, 1, 1]
    ]
  )
  t.same(
    profiles.map(({ slot, engines: { copy, decoder, encoder, jpeg, opticalFlow } }) => [
      slot,
      copy,
      decoder,
      encoder,
      jpeg,
      opticalFlow
    ]),
    [
      [0, 1, 0, 0, 0, 0],
      [7, 1, 1, 0, 1, 1],
      [9, 1, 1, 0, 0, 0],
      [1, 2, 1, 0, 0, 0],
      [2, 3, 2, 0, 0, 0],
      [3, 4, 2, 0, 0, 0],
      [4, 7, 5, 0, 1, 1]
    ]
  )
  const starts = (at: number) => profiles[at]?.placements?.map(({ start, size }) => `${start}:${size}`).join(' ')
  t.equal(starts(0), '0:1 1:1 2:1 3:1 4:1 5:1 6:1')
  t.equal(starts(2), '0:2 2:2 4:2 6:2')
  t.equal(starts(4), '0:4 4:4')
  t.equal(starts(6), '0:8')
  t.ok(profiles.every(profile => !('unavailable' in profile)))
})

t.test('profiles do not depend on the mode, remaining capacity does', async t => {
  const { nvml } = await openNode(t, A100)
  const gpu = nvml.gpu(0)
  const off = await gpu.profiles()
  await gpu.setMigMode(true)
  const on = await gpu.profiles()
  t.same(
    off.map(profile => ({ ...profile, remaining: null })),
    on.map(profile => ({ ...profile, remaining: null }))
  )
  t.ok(off.every(({ remaining }) => remaining === 0))
  await gpu.createGpuInstance('3g.20gb')
  t.same(
    (await gpu.profiles()).map(({ remaining }) => remaining),
    [4, 1, 2, 2, 1, 1, 0],
    'read anew each time'
  )
})

t.test('profiles of a driver that gives no names have the names it would give', async t => {
  for (const [driver, gpus] of [
    ['470', ['A100-SXM4-40GB', 'A100-SXM4-80GB', 'A30']],
    ['550', ['A100-SXM4-40GB', 'A100-SXM4-80GB', 'A30']]
  ] as const) {
    const { nvml } = await openNode(t, { gpus, driver }, { mig: true })
    const names = await Promise.all(nvml.gpus.map(async gpu => (await gpu.profiles()).map(({ name }) => name)))
    const has = (gpu: number, list: string) =>
      t.same(
        list.split(' ').filter(name => !names[gpu]?.includes(name)),
        [],
        `${driver}, GPU ${gpu}`
      )
    has(0, '1g.5gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb')
    has(1, '1g.10gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb')
    has(2, '1g.6gb 2g.12gb 4g.24gb')
    if (driver === '550') has(2, '1g.6gb+me 2g.12gb+me')
    const gi = await nvml.gpu(0).createGpuInstance('3g.20gb')
    t.same(
      (await gi.profiles()).map(({ name }) => name),
      ['1c.3g.20gb', '2c.3g.20gb', '3g.20gb']
    )
  }
})

t.test('placements', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const both = [
    { start: 0, size: 4 },
    { start: 4, size: 4 }
  ]
  t.same(await gpu.placements('3g.20gb'), { possible: both, free: both })
  await gpu.createGpuInstance('1g.5gb', { start: 5 })
  t.same(await gpu.placements('3g.20gb'), { possible: both, free: [both[0]] })
  t.same(await gpu.placements(9), await gpu.placements('MIG 3g.20gb'))
  await gpu.createGpuInstance('1g.5gb+me', { start: 0 })
  t.same((await gpu.placements('1g.5gb+me')).free, [], 'there is one +me')
})

t.test('a profile may be written in any way that means it', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  for (const [written, profile] of [
    ['1g.5gb', '1g.5gb'],
    ['MIG 1g.5gb', '1g.5gb'],
    ['1c.1g.5gb', '1g.5gb'],
    [19, '1g.5gb'],
    ['1g.5gb+me', '1g.5gb+me'],
    [0, '7g.40gb']
  ] as const) {
    const gi = await gpu.createGpuInstance(written)
    t.match(gi, { profile }, String(written))
    await gi.destroy()
  }
})

t.test('GPU instances', async t => {
  const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB', 'A100-SXM4-40GB'] }, { mig: true })
  const gpu = nvml.gpu(1)
  t.same(await gpu.instances(), [])
  const four = await gpu.createGpuInstance('3g.20gb', { start: 4 })
  t.match(four, { id: 2, profile: '3g.20gb', profileId: 9, placement: { start: 4, size: 4 } })
  t.equal(four.gpu, gpu)
  const chosen = await gpu.createGpuInstance('3g.20gb')
  t.match(chosen, { id: 1, placement: { start: 0, size: 4 } })
  t.match(await gpu.instances(), [{ id: 1 }, { id: 2 }], 'by id, with or without compute instances')
  t.same(await nvml.gpu(0).instances(), [], 'on its own GPU')
  t.same(await gpu.devices(), [])
})

t.test('a GPU instance with its compute instance', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const first = await gpu.create('1g.5gb', { start: 6 })
  t.match(first, { index: 0, gpuInstanceId: 13, computeInstanceId: 0, profile: '1g.5gb', placement: { start: 6, size: 1 } })
  const second = await gpu.create('3g.20gb')
  t.match(second, { gpuInstanceId: 1, index: 0 })
  t.match(await gpu.devices(), [
    { index: 0, uuid: second.uuid, gpuInstanceId: 1 },
    { index: 1, uuid: first.uuid, gpuInstanceId: 13 }
  ])
})

t.test('what NVML has no room for', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gpu = at.nvml.gpu(0)
  await gpu.createGpuInstance('4g.20gb')
  const full = {
    name: 'NvmlError',
    code: 'INSUFFICIENT_RESOURCES',
    status: 23,
    gpu: 0,
    hint: /^placements\(profile\) lists where it could go now/
  }
  await refuses(
    t,
    at,
    () => gpu.createGpuInstance('4g.20gb'),
    {
      ...full,
      call: 'nvmlDeviceCreateGpuInstance',
      message:
        'nvmlDeviceCreateGpuInstance: cannot create a 4g.20gb GPU instance on GPU 0: there is no room for it (INSUFFICIENT_RESOURCES)'
    },
    { asked: true }
  )
  await refuses(
    t,
    at,
    () => gpu.create('3g.20gb', { start: 0 }),
    {
      ...full,
      call: 'nvmlDeviceCreateGpuInstanceWithPlacement',
      message: /cannot create a 3g\.20gb MIG device at 0 on GPU 0: there is no room for it/
    },
    { asked: true }
  )
})

t.test('wrong arguments', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gpu = at.nvml.gpu(0)
  await gpu.create('1g.5gb')
  const all = 'It has 1g.5gb, 1g.5gb+me, 1g.10gb, 2g.10gb, 3g.20gb, 4g.20gb and 7g.40gb.'
  for (const create of [gpu.createGpuInstance.bind(gpu), gpu.create.bind(gpu)]) {
    const unknown = { name: 'LayoutError', code: 'UNKNOWN_PROFILE' }
    await refuses(t, at, () => create('1g.5g'), {
      ...unknown,
      message: `GPU 0 has no profile '1g.5g'; did you mean 1g.5gb? ${all}`,
      suggestions: ['1g.5gb']
    })
    await refuses(t, at, () => create('3g.40gb'), {
      ...unknown,
      message: `GPU 0 has no profile '3g.40gb'; did you mean 3g.20gb or 7g.40gb? ${all}`
    })
    await refuses(t, at, () => create('half of it'), {
      ...unknown,
      message: `GPU 0 has no profile 'half of it'. ${all}`,
      suggestions: []
    })
    await refuses(t, at, () => create('9'), {
      ...unknown,
      message: `GPU 0 has no profile '9'; did you mean 3g.20gb, whose id is the number 9? ${all}`,
      suggestions: ['3g.20gb']
    })
    await refuses(t, at, () => create(3), {
      ...unknown,
      message: /^GPU 0 has no profile with the id 3; it has 19 \(1g\.5gb\), 20 \(1g\.5gb\+me\), /
    })
    await refuses(t, at, () => create('1c.3g.20gb'), {
      ...unknown,
      message:
        "'1c.3g.20gb' is part of a GPU instance: create a GPU instance of 3g.20gb, and in it createComputeInstance('1c.3g.20gb').",
      suggestions: ['3g.20gb']
    })
    await refuses(t, at, () => create('3g.20gb', { start: 9 }), {
      name: 'RangeError',
      message: 'a 3g.20gb cannot start at 9 on GPU 0; it can start at 0 and 4'
    })
    await refuses(t, at, () => create('3g.20gb', { start: 1.5 }), {
      name: 'RangeError',
      message: /start is a whole number from 0 on, not 1\.5/
    })
    await refuses(t, at, () => create('3g.20gb', { start: -1 }), {
      name: 'RangeError',
      message: /start is a whole number from 0 on, not -1/
    })
    // @ts-expect-error a start is a number
    await refuses(t, at, () => create('3g.20gb', { start: '4' }), { name: 'TypeError', message: /start is a number, not '4'$/ })
    // @ts-expect-error there is no such option
    await refuses(t, at, () => create('3g.20gb', { strat: 4 }), {
      name: 'TypeError',
      message: /has no option 'strat'; did you mean 'start'\?/
    })
    // @ts-expect-error options are an object
    await refuses(t, at, () => create('3g.20gb', 4), {
      name: 'TypeError',
      message: /options are an object like \{ start: … \}, not 4/
    })
    // @ts-expect-error a profile is a name or a number
    await refuses(t, at, () => create({ name: '3g.20gb' }), {
      name: 'TypeError',
      message: "a profile is a name like '1g.5gb' or the driver's number for it, not { name: '3g.20gb' }"
    })
    // @ts-expect-error a profile must be named
    await refuses(t, at, () => create(), { name: 'TypeError', message: /not undefined/ })
  }
  t.equal(await gpu.create('9g.9gb').catch(error => error instanceof LayoutError), true)
  await t.rejects(gpu.placements('5g.5gb'), { code: 'UNKNOWN_PROFILE' })
  // @ts-expect-error a mode is a boolean
  await refuses(t, at, () => gpu.setMigMode('on'), { name: 'TypeError', message: "setMigMode takes true or false, not 'on'" })
  // @ts-expect-error identity does not change
  const rename = () => (gpu.uuid = 'GPU-x')
  t.ok(rename)
})

t.test('MIG mode off', async t => {
  const at = await openNode(t, A100)
  const gpu = at.nvml.gpu(0)
  t.same(await gpu.instances(), [])
  t.same(await gpu.devices(), [])
  await refuses(
    t,
    at,
    () => gpu.create('1g.5gb'),
    { code: 'NOT_SUPPORTED', call: 'nvmlDeviceCreateGpuInstance', hint: /its MIG mode is off/ },
    { asked: true }
  )
})

t.test('without rights', async t => {
  const { node, nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  const made = await gpu.create('1g.5gb+me')
  node.setPrivileged(false)
  const denied = { name: 'NvmlError', code: 'NO_PERMISSION', status: 4, gpu: 0 }
  await t.rejects(gpu.setMigMode(false), { ...denied, call: 'nvmlDeviceSetMigMode', hint: /root/ })
  await t.rejects(gpu.createGpuInstance('1g.5gb'), { ...denied, call: 'nvmlDeviceCreateGpuInstance', hint: /mig\/config/ })
  await t.rejects(made.destroy(), { ...denied, hint: /mig\/config/ })
  await t.rejects(gpu.instances(), { ...denied, call: 'nvmlDeviceGetGpuInstances', hint: /mig\/monitor/ })
  await t.rejects(gpu.placements('1g.5gb'), denied)
  const why = (stem: string) => ({ code: 'NO_PERMISSION', status: 4, call: `nvmlDeviceGetGpuInstance${stem}` })
  t.match((await gpu.profiles())[0], {
    name: '1g.5gb',
    placements: null,
    remaining: null,
    unavailable: { placements: why('PossiblePlacements'), remaining: why('RemainingCapacity') }
  })
  t.match(
    await gpu.devices(),
    [{ uuid: made.uuid, placement: null, profile: '1g.5gb', memoryMiB: made.memoryMiB }],
    'its own device it may see'
  )
  node.setPrivileged(true)
  t.match(await gpu.createGpuInstance('3g.20gb', { start: 0 }), { placement: { start: 0 } }, 'granted again')
  t.equal((await gpu.instances()).length, 2)
})

t.test('a start where this user may not read placements', async t => {
  const at = await openNode(t, { ...A100, privileged: false })
  await t.rejects(at.nvml.gpu(0).create('3g.20gb', { start: 4 }), {
    code: 'NO_PERMISSION',
    call: 'nvmlDeviceGetGpuInstancePossiblePlacements',
    message: /cannot read where a 3g\.20gb may start on GPU 0/
  })
})

t.test('errors show where the caller asked', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gpu = nvml.gpu(0)
  await gpu.create('4g.20gb')
  async function userCode(profile: string) {
    await gpu.create(profile)
  }
  const errors = await Promise.all(
    ['9g.9gb', '4g.20gb'].map(profile => userCode(profile).catch((error: Error) => error as Error & { code: string }))
  )
  t.match(errors, [{ code: 'UNKNOWN_PROFILE' }, { code: 'INSUFFICIENT_RESOURCES' }])
  for (const error of errors) t.match(error?.stack, /at async userCode .*gpu\.test/)
})
