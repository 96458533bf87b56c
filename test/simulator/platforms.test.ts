/** Where a node's GPUs are, who calls, and what a node has from the start. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Capability, type GpuRequest, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

const A100 = 'A100-SXM4-40GB'

t.test('who may do what', async t => {
  const { node, nvml } = await openNode(t, { gpus: [{ model: A100, instances: ['2g.10gb'] }] })
  const gpu = nvml.gpu(0)
  const list = async (): Promise<unknown> => gpu.instances()
  const create = async (): Promise<unknown> => (await gpu.create('1g.5gb')).destroy()
  const mode = async (): Promise<unknown> => gpu.setMigMode(true)
  const callers: [privileged: boolean, capabilities: Capability[], may: (typeof list)[]][] = [
    [true, [], [list, create, mode]],
    [false, ['mig/config'], [list, create]],
    [false, ['mig/monitor'], [list]],
    [false, ['mig/monitor', 'mig/config'], [list, create]],
    [false, [], []]
  ]
  for (const [privileged, capabilities, may] of callers) {
    node.setPrivileged(privileged, capabilities)
    for (const call of [list, create, mode]) {
      const who = `${privileged ? 'root' : capabilities.join(' and ') || 'anybody'}: ${call.name}`
      if (may.includes(call)) await t.resolves(call(), who)
      else await t.rejects(call(), { code: 'NO_PERMISSION' }, who)
    }
  }
  t.throws(() => node.setPrivileged(true, ['mig/config']), {
    name: 'RangeError',
    message: "setPrivileged: root holds every capability; who holds only 'mig/config' is not privileged"
  })
  await t.rejects(create(), { code: 'NO_PERMISSION' }, 'nothing was changed by that')
  // @ts-expect-error no such capability
  t.throws(() => node.setPrivileged(false, ['mig/all']), { name: 'RangeError' })
})

t.test('the capabilities that callers begin with', async t => {
  const { nvml } = await openNode(t, {
    gpus: [{ model: A100, mig: true }],
    privileged: false,
    capabilities: ['mig/config']
  })
  await nvml.gpu(0).create('1g.5gb')
  await t.rejects(nvml.gpu(0).setMigMode(true), { code: 'NO_PERMISSION' })
})

t.test('a GPU that begins with instances', async t => {
  const { node, nvml } = await openNode(t, {
    gpus: [
      { model: A100, instances: ['MIG 3g.20gb', { profile: '1g.5gb+me', start: 3 }] },
      {
        model: 'H100-SXM5-80GB',
        giNumbering: 'swapped',
        instances: [
          { profile: '3g.40gb', start: 0, computeInstances: [{ profile: '1c.3g.40gb', start: 0 }, '1c.3g.40gb'] },
          { profile: '1g.20gb', start: 4 },
          { profile: '1g.10gb', start: 6, computeInstances: [] }
        ]
      },
      { model: A100, mig: true },
      A100
    ]
  })
  const layout = async (index: number) =>
    (await nvml.gpu(index).devices()).map(({ name, profile, gpuInstanceId, computeInstanceId, placement }) => {
      t.ok(name)
      return [profile, gpuInstanceId, computeInstanceId, placement?.start]
    })
  // Ids by the numbering of each board: halves 1 and 2, eighths from 7; swapped exchanges the halves.
  t.same(await layout(0), [
    ['3g.20gb', 2, 0, 4],
    ['1g.5gb+me', 10, 0, 3]
  ])
  t.same(
    (await layout(1)).map(([profile, gi, ci]) => [profile, gi, ci]),
    [
      ['1c.3g.40gb', 2, 0],
      ['1c.3g.40gb', 2, 1],
      ['1g.20gb', 3, 0]
    ]
  )
  t.equal((await nvml.gpu(1).instances()).length, 3, 'one has no compute instance')
  t.same(await nvml.gpu(2).migMode(), { current: true, pending: true })
  t.same(await nvml.gpu(3).migMode(), { current: false, pending: false })
  node.check()
})

t.test('a layout that is not possible leaves nothing behind', async t => {
  const dir = t.testdir()
  const cases: [instances: GpuRequest['instances'], code: string, message: string][] = [
    [
      ['4g.20gb', '4g.20gb'],
      'INSUFFICIENT_RESOURCES',
      'simulate: GPU 1 has no room for MIG 4g.20gb beside what is there. Nothing was made.'
    ],
    [
      [{ profile: '3g.20gb', start: 1 }],
      'INVALID_ARGUMENT',
      'simulate: GPU 1 has no placement of MIG 3g.20gb that starts at 1. Nothing was made.'
    ],
    [
      [{ profile: '3g.20gb', start: 4, computeInstances: ['2c.3g.20gb', '2c.3g.20gb'] }],
      'INSUFFICIENT_RESOURCES',
      'simulate: GPU instance 2 of GPU 1 has no room for MIG 2c.3g.20gb beside what is there. Nothing was made.'
    ]
  ]
  for (const [instances, code, message] of cases) {
    const node = simulate({ gpus: [A100, { model: A100, instances: instances! }], dir: join(dir, 'node') })
    await t.rejects(node, { name: 'SimulatorError', code, message })
    t.same(readdirSync(dir), [])
  }
})

t.test('a node in a place of its own is taken again with what became of its instances', async t => {
  const request = { gpus: [{ model: A100, instances: ['7g.40gb'] }], dir: join(t.testdir(), 'node') }
  const first = await openNode(t, request)
  await (await first.nvml.gpu(0).devices())[0]!.destroy()
  await first.nvml.close()
  const again = await openNode(t, request)
  t.same(await again.nvml.gpu(0).devices(), [], 'a layout is what it began with, not what it is')
  await t.rejects(simulate({ ...request, gpus: [A100] }), {
    code: 'DIFFERENT_NODE',
    message: /instances from the start of its own, not these/
  })
})

t.test('the guest of a vGPU has what its host cut, and cuts no more', async t => {
  for (const [model, profile] of [
    [A100, '3g.20gb'],
    ['H100-SXM5-80GB', '3g.40gb']
  ] as const) {
    const { node, nvml } = await openNode(t, { gpus: [{ model, instances: [profile] }], platform: 'vgpu-guest' })
    const gpu = nvml.gpu(0)
    const [mig] = await gpu.devices()
    t.match(mig, { profile })
    await t.rejects(gpu.setMigMode(false), { code: 'NO_PERMISSION' })
    await t.rejects(gpu.setMigMode(true), { code: 'NO_PERMISSION' })
    await t.rejects(gpu.createGpuInstance(profile), { code: 'NOT_SUPPORTED' })
    await t.rejects(mig!.destroy(), { code: 'NOT_SUPPORTED' })
    for (const compute of await (await gpu.instances())[0]!.computeInstances()) await compute.destroy()
    const [instance] = await gpu.instances()
    await t.rejects(instance!.destroy(), { code: 'NOT_SUPPORTED' })
    await instance!.createComputeInstance(`1c.${profile}`)
    t.throws(() => node.reset(0), {
      code: 'NOT_SUPPORTED',
      message: "GPU 0 is a part that this machine's host gave it, and only the host resets it."
    })
    node.reloadDriver()
    node.reboot()
    t.match(await gpu.devices(), [{ profile: `1c.${profile}` }], 'the partition is the host’s to take')
    t.same(await gpu.migMode(), { current: true, pending: true })
  }
})
