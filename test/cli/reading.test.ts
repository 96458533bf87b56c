/** The verbs that only look: list, profiles, placements, layout, mode. */
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { nvmlMig, stage } from './helpers.js'

const lines = (text: string) => text.trimEnd().split('\n')

t.test('list', async t => {
  const { node, nvml, on } = await stage(t, { gpus: [{ model: 'A100-SXM4-40GB', giNumbering: 'swapped' }, 'A30'] })
  const [a100, a30] = nvml.gpus
  const head = `GPU 0: NVIDIA A100-SXM4-40GB (${a100!.uuid})  ${a100!.pciBusId}  MIG`

  await t.test('with MIG off, the GPUs', async t => {
    const { code, stdout, stderr } = await on('list')
    t.same({ code, stderr }, { code: 0, stderr: '' })
    t.same(lines(stdout), [`${head} off`, `GPU 1: NVIDIA A30 (${a30!.uuid})  ${a30!.pciBusId}  MIG off`])
  })

  await a100!.setMigMode(true)
  const big = await a100!.create('3g.20gb', { start: 4 })
  const small = await a100!.create('1g.5gb', { start: 3 })
  await a100!.createGpuInstance('2g.10gb', { start: 0 })

  await t.test('instances and devices, also a GPU instance that nothing can run in', async t => {
    t.same(lines((await on('list --gpu 0')).stdout), [
      `${head} on`,
      `  MIG 3g.20gb  Device 0:   GI 1   CI 0   slices 4-7  42 SM  19968 MiB  ${big.uuid}`,
      `  MIG 1g.5gb   Device 1:   GI 14  CI 0   slice 3     14 SM   4864 MiB  ${small.uuid}`,
      '  MIG 2g.10gb  no device:  GI 5   no CI  slices 0-1'
    ])
  })

  await t.test('as JSON', async t => {
    const document = JSON.parse((await on('list --json')).stdout)
    t.match(document, {
      format: 'nvml-mig-list/1',
      library: node.library,
      driverVersion: node.driver,
      gpus: [
        {
          index: 0,
          uuid: a100!.uuid,
          name: 'NVIDIA A100-SXM4-40GB',
          migCapable: true,
          migMode: { current: true, pending: true },
          instances: [
            { id: 1, profile: '3g.20gb', placement: { start: 4, size: 4 } },
            { id: 5, profile: '2g.10gb', placement: { start: 0, size: 2 } },
            { id: 14, profile: '1g.5gb', placement: { start: 3, size: 1 } }
          ],
          unavailable: {}
        },
        { index: 1, migMode: { current: false, pending: false }, instances: [], devices: [] }
      ]
    })
    t.match(document.gpus[0].devices[0], {
      uuid: big.uuid,
      index: 0,
      profile: '3g.20gb',
      gpuInstanceId: 1,
      computeInstanceId: 0,
      placement: { start: 4, size: 4 },
      memoryMiB: 19968,
      multiprocessors: 42,
      cudaVisibleDevices: big.uuid
    })
  })

  await t.test('an ordinary user sees the devices and what is missing', async t => {
    node.setPrivileged(false)
    t.teardown(() => node.setPrivileged(true))
    const { code, stdout, stderr } = await on('list --gpu 0')
    t.same({ code, stderr }, { code: 0, stderr: '' })
    const shown = lines(stdout)
    t.equal(shown[0], `${head} on`)
    t.match(shown[1], new RegExp(`^  MIG 3g\\.20gb +Device 0: +GI 1 +CI 0 .* 42 SM  19968 MiB  ${big.uuid}$`))
    t.match(shown.at(-1), /^ {2}not shown: .*NO_PERMISSION.*root/)
    const { gpus } = JSON.parse((await on('list --json --gpu 0')).stdout)
    t.match(gpus[0], { instances: null, unavailable: { instances: { code: 'NO_PERMISSION', status: 4 } } })
    t.equal(gpus[0].devices.length, 2)
  })
})

t.test('profiles: the figures of the guide’s listing', async t => {
  const { on, nvml } = await stage(t, undefined, { mig: true })
  const expected = [
    '  Profile    ID  Free/Total    GiB  SM  CE  DEC  ENC  JPEG  OFA  Placements',
    '  1g.5gb     19         7/7   4.75  14   1    0    0     0    0  {0,1,2,3,4,5,6}:1',
    '  1g.5gb+me  20         1/1   4.75  14   1    1    0     1    1  {0,1,2,3,4,5,6}:1',
    '  1g.10gb    15         4/4   9.62  14   1    1    0     0    0  {0,2,4,6}:2',
    '  2g.10gb    14         3/3   9.62  28   2    1    0     0    0  {0,2,4}:2',
    '  3g.20gb     9         2/2  19.50  42   3    2    0     0    0  {0,4}:4',
    '  4g.20gb     5         1/1  19.50  56   4    2    0     0    0  {0}:4',
    '  7g.40gb     0         1/1  39.25  98   7    5    0     1    1  {0}:8'
  ]
  t.same(lines((await on('profiles')).stdout).slice(1), expected)
  const { format, gpus } = JSON.parse((await on('profiles --json')).stdout)
  t.equal(format, 'nvml-mig-profiles/1')
  t.same(gpus[0].profiles, JSON.parse(JSON.stringify(await nvml.gpu(0).profiles())))
})

t.test('profiles: a driver that lists none while MIG is off says so', async t => {
  const { on } = await stage(t, { gpus: ['A100-SXM4-40GB'], driver: '535' })
  const { code, stdout } = await on('profiles')
  t.equal(code, 0)
  t.match(stdout, /MIG off\n {2}not shown: .*NOT_SUPPORTED.*drivers before R550 list profiles only while it is on/)
  t.match(stdout, /nvml-mig mode on --gpu 0/)
  const { gpus } = JSON.parse((await on('profiles --json')).stdout)
  t.match(gpus[0], { profiles: null, unavailable: { profiles: { code: 'NOT_SUPPORTED', hint: /nvml-mig mode on --gpu 0/ } } })
  const refused = await on('placements 3g.20gb')
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^nvml-mig: .*NOT_SUPPORTED.*\n.*nvml-mig mode on --gpu 0/)
})

t.test('profiles: what an ordinary user cannot read is ?', async t => {
  const { node, on } = await stage(t, undefined, { mig: true })
  node.setPrivileged(false)
  const { code, stdout } = await on('profiles')
  t.equal(code, 0)
  t.match(stdout, /1g\.5gb +19 +\?\/7 +4\.75 .* \?$/m)
  t.match(stdout, /not shown: free counts: nvmlDeviceGetGpuInstanceRemainingCapacity answers NO_PERMISSION/)
})

t.test('placements', async t => {
  const { on, nvml } = await stage(t, undefined, { mig: true })
  await nvml.gpu(0).create('1g.5gb', { start: 6 })
  t.same(lines((await on('placements 3g.20gb')).stdout), [
    'GPU 0: 3g.20gb takes 4 of 8 memory slices',
    '  possible  {0,4}:4',
    '  free now  {0}:4'
  ])
  t.same(lines((await on('placements 0')).stdout).at(-1), '  free now  none', 'by the driver’s number')
  t.match(JSON.parse((await on('placements 3g.20gb --json')).stdout), {
    format: 'nvml-mig-placements/1',
    gpus: [
      {
        index: 0,
        profile: '3g.20gb',
        memorySlices: 8,
        possible: [{ start: 0, size: 4 }, { start: 4 }],
        free: [{ start: 0, size: 4 }]
      }
    ]
  })
  const refused = await on('placements 3g.2gb')
  t.equal(refused.code, 5)
  t.match(refused.stderr, /^nvml-mig: GPU 0 has no profile '3g\.2gb'.*3g\.20gb/)
})

t.test('placements: GPUs that lack the profile say so, and do not spoil the others', async t => {
  const { on } = await stage(t, { gpus: ['A30', 'A100-SXM4-40GB'] })
  const { code, stdout } = await on('placements 3g.20gb')
  t.equal(code, 0)
  t.match(lines(stdout)[0], /^GPU 0 has no profile '3g\.20gb'/)
  t.equal(lines(stdout)[1], 'GPU 1: 3g.20gb takes 4 of 8 memory slices')
  t.equal((await on('placements 3g.20gb --gpu 0')).code, 5)
})

t.test('layout', async t => {
  const { node, on, nvml } = await stage(t)
  const gpu = nvml.gpu(0)
  t.match((await on('layout')).stdout, /MIG off\n {2}.*nvml-mig mode on --gpu 0/)

  await gpu.setMigMode(true)
  const instance = await gpu.createGpuInstance('3g.20gb', { start: 4 })
  await instance.createComputeInstance('1c.3g.20gb')
  await instance.createComputeInstance('2c.3g.20gb')
  await gpu.create('1g.5gb', { start: 0 })
  const drawing = [
    '      0        1        2        3        4        5        6        7',
    '  ┌────────┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬───────────────────────────────────┐',
    '  │ 1g.5gb │        │        │        │ 3g.20gb                           │',
    '  │ GI 7   │  free  │  free  │  free  │ GI 2                              │',
    '  │ CI 0   │        │        │        │ CI 0 1c  CI 1 2c                  │',
    '  └────────┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴───────────────────────────────────┘'
  ]
  t.same(lines((await on('layout')).stdout).slice(1), drawing)

  const colored = (await on('layout', { colors: true })).stdout
  t.same(lines(stripVTControlCharacters(colored)).slice(1), drawing)
  t.not(colored, stripVTControlCharacters(colored), 'in colour on a terminal')
  t.same(
    lines((await on('layout', { colors: true, env: { NO_COLOR: '1' } })).stdout).slice(1),
    drawing,
    'but not against NO_COLOR'
  )
  t.same(
    lines((await on('layout', { columns: 40 })).stdout).slice(1, 4),
    ['  0 ─ 1g.5gb  GI 7  CI 0', '  1 ╌ free', '  2 ╌ free'],
    'downwards on a narrow one'
  )

  t.match(JSON.parse((await on('layout --json')).stdout), {
    format: 'nvml-mig-layout/1',
    gpus: [
      {
        memorySlices: 8,
        memoryOnly: [7],
        free: [1, 2, 3],
        instances: [
          { id: 2, profile: '3g.20gb', start: 4, size: 4, computeInstances: [{ id: 0, profile: '1c.3g.20gb' }, { id: 1 }] },
          { id: 7, profile: '1g.5gb', start: 0, size: 1, computeInstances: [{ id: 0, profile: '1g.5gb' }] }
        ]
      }
    ]
  })

  node.setPrivileged(false)
  const { code, stdout } = await on('layout')
  t.equal(code, 0)
  t.match(stdout, /not shown: .*NO_PERMISSION/)
})

t.test('layout of other boards', async t => {
  const { on, nvml } = await stage(t, { gpus: ['A30', 'H100-SXM5-80GB'] }, { mig: true })
  await nvml.gpu(0).create('2g.12gb', { start: 2 })
  t.same(lines((await on('layout --gpu 0')).stdout).slice(1), [
    '           0                  1                  2                  3',
    '  ┌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┬─────────────────────────────────────┐',
    '  │                  │                  │ 2g.12gb                             │',
    '  │       free       │       free       │ GI 2                                │',
    '  │                  │                  │ CI 0                                │',
    '  └╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┴─────────────────────────────────────┘'
  ])
  t.match((await on('layout --gpu 1')).stdout, /│ memory │\n.*\n {2}Slice 7 is memory only/)
})

t.test('mode, shown', async t => {
  const { on } = await stage(t)
  t.match((await on('mode')).stdout, /^GPU 0: NVIDIA A100-SXM4-40GB .* MIG off\n$/)
  t.match(JSON.parse((await on('mode --json')).stdout), {
    format: 'nvml-mig-mode/1',
    gpus: [{ index: 0, migCapable: true, migMode: { current: false, pending: false } }]
  })
})

t.test('on a node made for one run', async t => {
  const { code, stdout } = await nvmlMig(['list', '--simulate', 'A100-SXM4-40GB*2,A30', '--driver', '535'])
  t.equal(code, 0)
  t.same(
    lines(stdout).map(line => line.replace(/ \(.*\) +\S+/, '')),
    ['GPU 0: NVIDIA A100-SXM4-40GB  MIG off', 'GPU 1: NVIDIA A100-SXM4-40GB  MIG off', 'GPU 2: NVIDIA A30  MIG off']
  )
})
