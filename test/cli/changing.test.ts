/** The verbs that change a GPU: mode, create, destroy. */
import t from 'tap'
import { nvmlMig, stage } from './helpers.js'

const lines = (text: string) => text.trimEnd().split('\n')

t.test('a GPU that is not named is not changed', async t => {
  const { on, nvml } = await stage(t, undefined, { mig: true })
  for (const line of ['mode off', 'create 3g.20gb', 'destroy --all']) {
    const { code, stdout, stderr } = await on(line)
    t.equal(code, 1, line)
    t.equal(stdout.trim(), '')
    t.match(stderr, /^nvml-mig: \w+ changes a GPU, so name it: --gpu 0/)
    t.equal(/--gpu all/.test(stderr), line === 'mode off', 'only what is offered is taken')
  }
  t.equal((await on('create 3g.20gb --gpu all')).stderr, 'nvml-mig: create works on one GPU at a time\nName it: --gpu 0\n')
  t.same(await nvml.gpu(0).migMode(), { current: true, pending: true })
  t.same(await nvml.gpu(0).instances(), [])
})

t.test('mode', async t => {
  const { on, nvml } = await stage(t, { gpus: ['A100-SXM4-40GB*2'] })
  const on0 = await on('mode on --gpu 0')
  t.equal(on0.code, 0)
  t.match(on0.stdout, /^GPU 0: .* MIG on\n$/)
  t.same(await nvml.gpu(1).migMode(), { current: false, pending: false }, 'the other GPU is as it was')
  t.match(JSON.parse((await on('mode on --gpu all --json')).stdout), {
    format: 'nvml-mig-mode/1',
    gpus: [
      { index: 0, current: true, pending: true, activation: 'done' },
      { index: 1, current: true, activation: 'done' }
    ]
  })

  await nvml.gpu(1).create('1g.5gb')
  const held = await on('mode off --gpu all')
  t.equal(held.code, 4)
  t.match(held.stdout, /^GPU 0: .* MIG off\n$/, 'what was done is said')
  t.match(held.stderr, /^nvml-mig: .*IN_USE/)
})

t.test('mode: pending because something holds the GPU ends with 4', async t => {
  const { node, on } = await stage(t)
  node.startClient({ gpu: 0 })
  const { code, stdout } = await on('mode on --gpu 0')
  t.equal(code, 4)
  t.match(stdout, /MIG off \(on once reset\)\n {2}something holds the GPU.*nvidia-smi -r -i 0/)
})

t.test('mode: pending in a virtual machine ends with 3', async t => {
  const { on } = await stage(t, { gpus: ['A100-SXM4-40GB'], platform: 'passthrough' })
  const { code, stdout } = await on('mode on --gpu 0')
  t.equal(code, 3)
  t.match(stdout, /MIG off \(on once reset\)\n {2}pending until the GPU is reset/)
})

t.test('create', async t => {
  const { on, nvml } = await stage(t, undefined, { mig: true })
  const gpu = nvml.gpu(0)
  const clear = async () => {
    for (const instance of await gpu.instances()) await instance.destroy({ force: true })
  }

  await t.test('several, in order', async t => {
    t.teardown(clear)
    const { code, stdout } = await on('create 3g.20gb 1g.5gb*3 --gpu 0')
    t.equal(code, 0)
    // What the driver chooses for 3g, then 1g, on a straight board; indices are as they were on creation.
    t.same(
      lines(stdout).map(line => line.replace(/ +Device \d: +/, ' ').replace(/ +(?=MIG-).*/, '')),
      [
        'MIG 3g.20gb GI 2  CI 0  slices 4-7  42 SM  19968 MiB',
        'MIG 1g.5gb GI 7  CI 0  slice 0     14 SM   4864 MiB',
        'MIG 1g.5gb GI 8  CI 0  slice 1     14 SM   4864 MiB',
        'MIG 1g.5gb GI 9  CI 0  slice 2     14 SM   4864 MiB'
      ]
    )
  })

  await t.test('device numbers are those that hold afterwards', async t => {
    t.teardown(clear)
    // The second 3g.20gb gets the lower GPU instance, and with it the lower number.
    t.same(
      lines((await on('create 3g.20gb*2 --gpu 0')).stdout).map(line => line.split(/ {2,}/).slice(1, 3)),
      [
        ['Device 1:', 'GI 2'],
        ['Device 0:', 'GI 1']
      ]
    )
  })

  await t.test('at a place, by number, as JSON', async t => {
    t.teardown(clear)
    const { stdout } = await on('create 9 --start 0 --gpu 0 --json')
    const [device] = await gpu.devices()
    t.match(JSON.parse(stdout), {
      format: 'nvml-mig-create/1',
      gpu: { index: 0 },
      created: [{ uuid: device!.uuid, profile: '3g.20gb', placement: { start: 0, size: 4 } }]
    })
  })

  await t.test('what does not fit ends with 5; what came before stays and is listed', async t => {
    t.teardown(clear)
    const { code, stdout, stderr } = await on('create 4g.20gb 4g.20gb --gpu 0')
    t.equal(code, 5)
    t.match(stdout, /^MIG 4g\.20gb .*\n$/)
    t.match(stderr, /^nvml-mig: .*INSUFFICIENT_RESOURCES.*\nnvml-mig layout shows what is free/)
    t.equal((await gpu.devices()).length, 1)
  })

  await t.test('a mistyped name changes nothing, wherever it stands', async t => {
    const { code, stdout, stderr } = await on('create 3g.20gb 1g.5g --gpu 0')
    t.equal(code, 5)
    t.equal(stdout, '')
    t.match(stderr, /1g\.5g.*did you mean|not a profile name/)
    t.same(await gpu.instances(), [])
  })

  await t.test('compute instances in a GPU instance', async t => {
    t.teardown(clear)
    const { id } = await gpu.createGpuInstance('3g.20gb')
    const { code, stdout } = await on(`create 1c.3g.20gb*2 --gpu 0 --gpu-instance ${id}`)
    t.equal(code, 0)
    t.same(lines(stdout), [`MIG 1c.3g.20gb  GI ${id}  CI 0  compute slice 0`, `MIG 1c.3g.20gb  GI ${id}  CI 1  compute slice 1`])
    const [found] = await gpu.instances()
    t.equal((await found!.computeInstances()).length, 2)
    const missing = await on('create --gpu 0 --gpu-instance 99')
    t.equal(missing.code, 1)
    t.equal(missing.stderr, `nvml-mig: GPU 0 has no GPU instance 99\nIt has ${id}.\n`)
  })

  await t.test('the full-size compute instance without a profile', async t => {
    t.teardown(clear)
    const { id } = await gpu.createGpuInstance('2g.10gb')
    const { stdout } = await on(`create --gpu 0 --gpu-instance ${id} --json`)
    t.match(JSON.parse(stdout), { gpuInstance: id, created: [{ id: 0, profile: '2g.10gb' }] })
  })

  await t.test('wrong use', async t => {
    const wrong: Record<string, RegExp> = {
      'create --gpu 0': /create needs a profile/,
      'create 1g.5gb 1g.5gb --start 0 --gpu 0': /--start goes with one profile/,
      'create 1g.5gb --start x --gpu 0': /--start takes a whole number, not 'x'/,
      'create 1g.5gb --start 9 --gpu 0': /1g\.5gb cannot start at 9/,
      'create 1g.5gb*0 --gpu 0': /asks for none/,
      'create 1g.5gb --gpu all': /one GPU at a time/,
      'create 1g.5gb --gpu 7': /there is no GPU 7/
    }
    for (const [line, sentence] of Object.entries(wrong)) {
      const { code, stderr } = await on(line)
      t.equal(code, 1, line)
      t.match(stderr, sentence)
    }
    t.same(await gpu.instances(), [])
  })
})

t.test('create with MIG off says what is missing', async t => {
  const { on } = await stage(t)
  const { code, stderr } = await on('create 3g.20gb --gpu 0')
  t.equal(code, 1)
  t.equal(stderr, 'nvml-mig: MIG mode is off on GPU 0\nTurn it on: nvml-mig mode on --gpu 0\n')
})

t.test('destroy', async t => {
  const { node, on, nvml } = await stage(t, undefined, { mig: true })
  const gpu = nvml.gpu(0)

  await t.test('a MIG device, and its GPU instance with the last one', async t => {
    const device = await gpu.create('3g.20gb')
    const { code, stdout } = await on(`destroy ${device.uuid}`)
    t.equal(code, 0)
    t.same(lines(stdout), [
      `destroyed compute instance 0 of GPU instance ${device.gpuInstanceId} on GPU 0`,
      `destroyed GPU instance ${device.gpuInstanceId} on GPU 0`
    ])
    t.same(await gpu.instances(), [])
  })

  await t.test('all devices are looked up before one is destroyed', async t => {
    const device = await gpu.create('1g.5gb')
    const { code, stderr } = await on(`destroy ${device.uuid} MIG-00000000-0000-0000-0000-000000000000`)
    t.equal(code, 1)
    t.match(stderr, /^nvml-mig: there is no MIG device MIG-00000000/)
    t.equal((await gpu.devices()).length, 1)
    await device.destroy()
  })

  await t.test('by ids', async t => {
    const instance = await gpu.createGpuInstance('3g.20gb')
    await instance.createComputeInstance('1c.3g.20gb')
    await instance.createComputeInstance('1c.3g.20gb')
    const base = `destroy --gpu 0 --gpu-instance ${instance.id}`
    t.equal((await on(`${base} --compute-instance 1`)).code, 0)
    t.same(
      (await instance.computeInstances()).map(({ id }) => id),
      [0]
    )
    const held = await on(base)
    t.equal(held.code, 4)
    t.match(held.stderr, /IN_USE.*\nAdd --force/)
    const { code, stdout } = await on(`${base} --force --json`)
    t.equal(code, 0)
    t.same(JSON.parse(stdout), {
      format: 'nvml-mig-destroy/1',
      destroyed: [
        { gpu: 0, gpuInstance: instance.id, computeInstance: 0 },
        { gpu: 0, gpuInstance: instance.id, computeInstance: null }
      ]
    })
    t.match((await on(`${base} --compute-instance 1`)).stderr, /GPU 0 has no GPU instance/)
  })

  await t.test('everything, past what is in use', async t => {
    const busy = await gpu.create('3g.20gb')
    await gpu.create('2g.10gb')
    await gpu.createGpuInstance('1g.5gb')
    const client = node.startClient({ gpu: 0, gpuInstance: busy.gpuInstanceId, computeInstance: 0 })
    const held = await on('destroy --gpu 0 --all')
    t.equal(held.code, 4)
    t.same(
      (await gpu.instances()).map(({ id }) => id),
      [busy.gpuInstanceId]
    )
    client.stop()
    t.equal((await on('destroy --gpu 0 --all')).code, 0)
    t.same(await gpu.instances(), [])
    const nothing = await on('destroy --gpu 0 --all')
    t.same(nothing, { code: 0, stdout: '', stderr: '' }, 'nothing to destroy is no error')
  })

  await t.test('wrong use', async t => {
    const wrong: Record<string, RegExp> = {
      destroy: /destroy needs to be told what/,
      'destroy 00000000:07:00.0': /00000000:07:00\.0 is a GPU, not a MIG device/,
      'destroy --gpu 0': /destroy needs to be told what/,
      'destroy MIG-x --gpu 0 --all': /exclude each other/,
      'destroy --gpu 0 --compute-instance 1': /goes with --gpu-instance/,
      'destroy --gpu 0 --all --force': /--force goes with --gpu-instance alone/
    }
    for (const [line, sentence] of Object.entries(wrong)) {
      const { code, stderr } = await on(line)
      t.equal(code, 1, line)
      t.match(stderr, sentence)
    }
  })
})

t.test('errors', async t => {
  const { node, on } = await stage(t, undefined, { mig: true })

  await t.test('as JSON, on stderr', async t => {
    const { code, stderr } = await on('create 7g.40gb 1g.5gb --gpu 0 --json')
    t.equal(code, 5)
    const { format, ...rest } = JSON.parse(stderr)
    t.equal(format, 'nvml-mig-error/1')
    t.match(rest, { code: 'INSUFFICIENT_RESOURCES', status: 23, gpu: 0, call: 'nvmlDeviceCreateGpuInstance', hint: /layout/ })
  })

  await t.test('without a stack, unless asked', async t => {
    t.notMatch((await on('create 7g.40gb --gpu 0')).stderr, /\n {4}at /)
    t.match((await on('create 7g.40gb --gpu 0', { env: { NVML_MIG_DEBUG: '1' } })).stderr, /\n {4}at /)
  })

  await t.test('a user without the right', async t => {
    await on('destroy --gpu 0 --all')
    node.setPrivileged(false)
    t.teardown(() => node.setPrivileged(true))
    for (const line of ['mode off --gpu 0', 'create 1g.5gb --gpu 0']) {
      const { code, stderr } = await on(line)
      t.equal(code, 1, line)
      t.match(stderr, /^nvml-mig: .*NO_PERMISSION.*\n.*root/)
    }
  })

  await t.test('of the command line itself', async t => {
    t.match((await nvmlMig(['lst'])).stderr, /^nvml-mig: unknown command 'lst'\n\(Did you mean list\?\)/)
    t.match((await nvmlMig(['list', '--jsn'])).stderr, /^nvml-mig: unknown option '--jsn'/)
    t.match((await nvmlMig(['mode', 'maybe'])).stderr, /Allowed choices are on, off/)
    t.match((await nvmlMig(['list', '--simulate', 'A100-SXM4-41GB'])).stderr, /^nvml-mig: .*A100-SXM4-41GB/)
    t.match((await nvmlMig(['list', '--driver', '535'])).stderr, /--driver goes with --simulate/)
    t.match((await nvmlMig(['list', '--fill', 'derived'])).stderr, /--fill goes with --simulate/)
    t.match((await nvmlMig(['list', '--fill', 'guessed', '--simulate', 'A30'])).stderr, /Allowed choices are derived/)
    t.match((await nvmlMig(['list', '--simulate', 'B200'])).stderr, /nobody recorded .*\nHere: --fill derived/)
    t.match(await nvmlMig(['list', '--simulate', 'B200', '--fill', 'derived']), { code: 0, stdout: /^GPU 0: NVIDIA B200 / })
    t.match((await nvmlMig(['list', '--library', '/nowhere/at/all'])).stderr, /\/nowhere\/at\/all does not exist/)
    t.equal((await nvmlMig(['lst'])).code, 1)
    for (const wrong of [
      ['list', '--bogus', '--json'],
      ['placements', '--json'],
      ['lst', '--json']
    ]) {
      const { code, stdout, stderr } = await nvmlMig(wrong)
      t.same([code, stdout], [1, ''])
      t.match(JSON.parse(stderr), { format: 'nvml-mig-error/1', code: 'ERROR', message: /^(unknown|missing) / })
    }
  })

  await t.test('help and version', async t => {
    const help = await nvmlMig(['--help'])
    t.equal(help.code, 0)
    for (const verb of ['list', 'profiles', 'placements', 'layout', 'mode', 'create', 'destroy', 'simulate']) {
      t.match(help.stdout, new RegExp(`^ {2}${verb} `, 'm'))
      t.match((await nvmlMig([verb, '--help'])).stdout, /--json/)
    }
    t.match((await nvmlMig(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
    const nothing = await nvmlMig([])
    t.equal(nothing.code, 1)
    t.match(nothing.stderr, /^Usage: nvml-mig/)
  })
})
