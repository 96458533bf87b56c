/** A GPU instance: its compute instances, created, listed, destroyed. */
import t from 'tap'
import { open } from '../lib/index.js'
import { openNode } from './helpers/node.js'
import { refuses } from './helpers/unchanged.js'

const A100 = { gpus: ['A100-SXM4-40GB'] }

t.test('profiles', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const profiles = await gi.profiles()
  t.same(
    profiles.map(({ name, id, slot, slices, multiprocessors, maxInstances, remaining }) => [
      name,
      id,
      slot,
      slices,
      multiprocessors,
      maxInstances,
      remaining
    ]),
    [
      ['1c.3g.20gb', 0, 0, 1, 14, 3, 3],
      ['2c.3g.20gb', 1, 1, 2, 28, 1, 1],
      ['3g.20gb', 2, 2, 3, 42, 1, 1]
    ]
  )
  t.same(profiles[0]?.engines, { copy: 3, decoder: 2, encoder: 0, jpeg: 0, opticalFlow: 0 }, 'shared by all in it')
  t.same(
    profiles[0]?.placements,
    [0, 1, 2].map(start => ({ start, size: 1 }))
  )
  t.same(profiles[2]?.placements, [{ start: 0, size: 3 }])
  await gi.createComputeInstance('1c.3g.20gb')
  t.same(
    (await gi.profiles()).map(({ remaining }) => remaining),
    [2, 1, 0]
  )
})

t.test('placements', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  await gi.createComputeInstance('1c.3g.20gb', { start: 1 })
  const places = [0, 1, 2].map(start => ({ start, size: 1 }))
  t.same(await gi.placements('1c.3g.20gb'), { possible: places, free: [places[0], places[2]] })
  t.same(await gi.placements(0), await gi.placements('MIG 1c.3g.20gb'))
})

t.test('compute instances', async t => {
  const { nvml } = await openNode(t, A100, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 4 })
  t.same(await gi.computeInstances(), [])
  const two = await gi.createComputeInstance('1c.3g.20gb', { start: 2 })
  t.match(two, { id: 0, gpuInstanceId: 2, profile: '1c.3g.20gb', profileId: 0, placement: { start: 2, size: 1 } })
  t.equal(two.gpu, nvml.gpu(0))
  t.match(await gi.createComputeInstance(0), { id: 1, placement: { start: 0, size: 1 } }, 'by number; the driver chooses')
  t.match(await gi.computeInstances(), [
    { id: 0, profile: '1c.3g.20gb', placement: { start: 2, size: 1 } },
    { id: 1, placement: { start: 0, size: 1 } }
  ])
  for (const ci of await gi.computeInstances()) await ci.destroy()
  t.match(await gi.createComputeInstance(), { id: 0, profile: '3g.20gb', placement: { start: 0, size: 3 } }, 'no name: all of it')
})

t.test('inside +me, names may carry it or not', async t => {
  const { nvml } = await openNode(t, { gpus: ['A30'] }, { mig: true })
  const gi = await nvml.gpu(0).createGpuInstance('2g.12gb+me')
  for (const written of ['1c.2g.12gb', '1c.2g.12gb+me']) {
    t.match(await gi.createComputeInstance(written), { profile: '1c.2g.12gb', profileId: 0 }, written)
  }
  t.match(await nvml.gpu(0).devices(), [{ profile: '1c.2g.12gb+me' }, { profile: '1c.2g.12gb+me' }])
  for (const ci of await gi.computeInstances()) await ci.destroy()
  t.match(await gi.createComputeInstance('2g.12gb+me'), { profile: '2g.12gb' })
  t.match(await nvml.gpu(0).devices(), [{ profile: '2g.12gb+me' }])
})

t.test('boards with aligned compute slots', async t => {
  const { nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const gi = await gpu.createGpuInstance('3g.40gb')
  t.match(await gi.createComputeInstance(), { placement: { start: 0, size: 4 } }, 'three slices lie in four slots')
  const double = await gpu.createGpuInstance('1g.20gb')
  t.match(await double.createComputeInstance(), { profileId: 7 }, 'a double-memory 1g has a compute profile of its own')
})

t.test('destroy', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gpu = at.nvml.gpu(0)
  const gi = await gpu.createGpuInstance('3g.20gb', { start: 0 })
  await gi.createComputeInstance('1c.3g.20gb')
  await gi.createComputeInstance('2c.3g.20gb')
  await refuses(
    t,
    at,
    () => gi.destroy(),
    {
      name: 'NvmlError',
      code: 'IN_USE',
      call: 'nvmlGpuInstanceDestroy',
      message: 'nvmlGpuInstanceDestroy: cannot destroy GPU instance 1 on GPU 0: it is in use (IN_USE)',
      hint: /destroy\(\{ force: true \}\)/
    },
    { asked: true }
  )
  await gi.destroy({ force: true })
  t.same(await gpu.instances(), [])
})

t.test('a destroyed GPU instance', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  await gi.destroy()
  const gone = {
    name: 'NvmlError',
    code: 'NOT_FOUND',
    status: 6,
    call: 'nvmlDeviceGetGpuInstanceById',
    gpu: 0,
    hint: /destroyed/
  }
  await refuses(t, at, () => gi.destroy(), { ...gone, message: /cannot destroy GPU instance 1 on GPU 0: it does not exist/ })
  await refuses(t, at, () => gi.destroy({ force: true }), gone)
  await refuses(t, at, () => gi.createComputeInstance(), { ...gone, message: /GPU instance 1 on GPU 0: it does not exist/ })
  await refuses(t, at, () => gi.profiles(), gone)
  await refuses(t, at, () => gi.computeInstances(), gone)
})

t.test('a replaced GPU instance', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gpu = at.nvml.gpu(0)
  const gi = await gpu.createGpuInstance('3g.20gb', { start: 0 })
  const ours = await gi.createComputeInstance()
  const other = await open({ library: at.node.library })
  t.teardown(() => other.close())
  const [theirs] = await other.gpu(0).instances()
  await theirs?.destroy({ force: true })
  t.match(
    await other.gpu(0).create('4g.20gb'),
    { gpuInstanceId: gi.id, computeInstanceId: ours.id },
    'the same ids, another instance'
  )

  const replaced = {
    name: 'SessionError',
    code: 'INSTANCE_REPLACED',
    message: /^cannot .*GPU instance 1 on GPU 0: under that id there is another instance now.* Nothing was changed/
  }
  await refuses(t, at, () => gi.destroy(), replaced)
  await refuses(t, at, () => gi.destroy({ force: true }), replaced)
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20gb'), replaced)
  await refuses(t, at, () => gi.profiles(), replaced)
  await refuses(t, at, () => gi.computeInstances(), replaced)
  await refuses(t, at, () => ours.destroy(), replaced)
})

t.test('wrong arguments', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const unknown = { name: 'LayoutError', code: 'UNKNOWN_PROFILE' }
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20g'), {
    ...unknown,
    message:
      "GPU instance 1 on GPU 0 has no profile '1c.3g.20g'; did you mean 1c.3g.20gb? It has 1c.3g.20gb, 2c.3g.20gb and 3g.20gb.",
    suggestions: ['1c.3g.20gb']
  })
  await refuses(t, at, () => gi.createComputeInstance('4c.4g.20gb'), unknown)
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20gb+me'), unknown)
  await refuses(t, at, () => gi.createComputeInstance(9), {
    ...unknown,
    message: /has no profile with the id 9; it has 0 \(1c\.3g\.20gb\)/
  })
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20gb', { start: 9 }), {
    name: 'RangeError',
    message: 'a 1c.3g.20gb cannot start at 9 on GPU instance 1 on GPU 0; it can start at 0, 1 and 2'
  })
  // @ts-expect-error a start is a number
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20gb', { start: '0' }), {
    name: 'TypeError',
    message: "createComputeInstance: start is a number, not '0'"
  })
  // @ts-expect-error options come second
  await refuses(t, at, () => gi.createComputeInstance({ start: 0 }), { name: 'TypeError', message: /a profile is a name/ })
  // @ts-expect-error force is a boolean
  await refuses(t, at, () => gi.destroy({ force: 'yes' }), {
    name: 'TypeError',
    message: "destroy: force is true or false, not 'yes'"
  })
  // @ts-expect-error there is no such option
  await refuses(t, at, () => gi.destroy({ forse: true }), { name: 'TypeError', message: /did you mean 'force'/ })
})

t.test('no room', async t => {
  const at = await openNode(t, A100, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  await gi.createComputeInstance('2c.3g.20gb')
  await refuses(
    t,
    at,
    () => gi.createComputeInstance(),
    {
      code: 'INSUFFICIENT_RESOURCES',
      call: 'nvmlGpuInstanceCreateComputeInstance',
      message: /cannot create a 3g\.20gb compute instance in GPU instance 1 on GPU 0: there is no room for it/
    },
    { asked: true }
  )
})

t.test('a driver that cannot place compute instances', async t => {
  const at = await openNode(t, { ...A100, driver: '510' }, { mig: true })
  const gi = await at.nvml.gpu(0).createGpuInstance('3g.20gb', { start: 0 })
  const [profile] = await gi.profiles()
  t.match(profile, { placements: null, remaining: 3, unavailable: { placements: { code: 'FUNCTION_NOT_FOUND', status: 13 } } })
  await refuses(t, at, () => gi.createComputeInstance('1c.3g.20gb', { start: 0 }), {
    name: 'SessionError',
    code: 'PLACEMENT_UNAVAILABLE',
    message: /this driver cannot create at a chosen place\. Without 'start' the driver chooses/
  })
  await t.rejects(gi.placements('1c.3g.20gb'), { code: 'FUNCTION_NOT_FOUND', hint: /newer driver/ })
  t.match(await gi.createComputeInstance('1c.3g.20gb'), { id: 0, profile: '1c.3g.20gb' })
})
