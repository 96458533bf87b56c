/** What each operation asks of NVML, and what it makes of the answers that only some drivers give. */
import t, { type Test } from 'tap'
import { binding } from '../../lib/binding.js'
import {
  computeInstanceBytes,
  computeInstanceProfileBytes,
  decodeComputeInstance,
  decodeComputeInstanceProfile,
  decodeGpuInstance,
  decodeGpuInstanceProfile,
  decodeMigDevice,
  decodeMigMode,
  decodePlacementList,
  gpuInstanceBytes,
  gpuInstanceProfileBytes,
  migDeviceBytes,
  migModeBytes,
  NONE,
  Operation,
  placementListBytes,
  SessionStatus
} from '../../lib/records.js'
import { Fixture, openSession, outcome } from './fixture.js'

type Operations = keyof typeof Operation

/** A session on a fixture library with MIG mode on, and its operations by name. */
async function ready(t: Test, options?: ConstructorParameters<typeof Fixture>[1]) {
  const fixture = new Fixture(t.testdir(), options)
  const session = await openSession(fixture.library)
  t.teardown(() => binding().close(session))
  const call = (operation: Operations, args: number[], text?: string) => binding().call(session, Operation[operation], args, text)
  const ask = async (operation: Operations, args: number[], text?: string) => outcome(await call(operation, args, text))
  await ask('setMigMode', [0, 1])
  fixture.forgetCalls()
  return {
    fixture,
    ask,
    gpuInstanceProfiles: async () =>
      outcome(await call('gpuInstanceProfiles', [0]), decodeGpuInstanceProfile, gpuInstanceProfileBytes),
    computeInstanceProfiles: async (gi: number[]) =>
      outcome(await call('computeInstanceProfiles', [0, ...gi]), decodeComputeInstanceProfile, computeInstanceProfileBytes),
    placements: async (profile: number) =>
      outcome(await call('gpuInstancePlacements', [0, profile]), decodePlacementList, placementListBytes),
    gpuInstances: async () => outcome(await call('gpuInstances', [0]), decodeGpuInstance, gpuInstanceBytes),
    createGpuInstance: async (profile: number, start = NONE) =>
      outcome(await call('createGpuInstance', [0, profile, start, 1]), decodeGpuInstance, gpuInstanceBytes),
    createComputeInstance: async (gi: number[], profile: number) =>
      outcome(await call('createComputeInstance', [0, ...gi, profile, NONE, 1]), decodeComputeInstance, computeInstanceBytes),
    computeInstances: async (gi: number[]) =>
      outcome(await call('computeInstances', [0, ...gi]), decodeComputeInstance, computeInstanceBytes),
    migDevice: async (operation: Operations, args: number[], text?: string) =>
      outcome(await call(operation, args, text), decodeMigDevice, migDeviceBytes),
    migMode: async (operation: Operations, args: number[]) => outcome(await call(operation, args), decodeMigMode, migModeBytes)
  }
}

/** A GPU instance by its id alone: nothing else is compared. */
const anyWithId = (id: number): number[] => [id, NONE, NONE, NONE]

for (const { form, options, says } of [
  { form: 'v3', options: {}, says: { name: 'MIG newest', capabilities: 1, isP2pSupported: 1 } },
  { form: 'v2', options: { newestForm: 2 }, says: { name: 'MIG second', capabilities: NONE, isP2pSupported: 0 } },
  {
    form: 'v1',
    options: { without: ['nvmlDeviceGetGpuInstanceProfileInfoV'] },
    says: { name: '', capabilities: NONE, isP2pSupported: 0 }
  }
]) {
  t.test(`profiles from a library whose newest form is ${form}`, async t => {
    const { gpuInstanceProfiles } = await ready(t, options)
    const { status, records } = await gpuInstanceProfiles()
    t.equal(status, 0)
    t.match(records, [
      { slot: 0, id: 19, sliceCount: 1, instanceCount: 7, multiprocessorCount: 10, remaining: 7, ...says },
      { slot: 4, id: 0, sliceCount: 7, instanceCount: 1, multiprocessorCount: 70, remaining: 1, ...says },
      { slot: 7, id: 20, sliceCount: 1, instanceCount: 1, remaining: 1, ...says }
    ])
    t.equal(records.length, 3)
  })
}

t.test('whatever code says that a form is unknown, the oldest decides', async t => {
  const { fixture, gpuInstanceProfiles, placements } = await ready(t)
  for (const code of [2, 13, 25, 26]) {
    fixture.answer('nvmlDeviceGetGpuInstanceProfileInfoV', code)
    fixture.answer('nvmlDeviceGetGpuInstancePossiblePlacements_v2', code)
    t.match((await gpuInstanceProfiles()).records, [{ id: 19, name: '' }, { id: 0 }, { id: 20 }])
    t.match((await placements(0)).records, [{ possible: [{ start: 0, size: 8 }] }])
    fixture.answer('nvmlDeviceGetGpuInstanceProfileInfo', 999)
    t.match(await gpuInstanceProfiles(), { status: 999, call: 'nvmlDeviceGetGpuInstanceProfileInfo' })
    fixture.answer('nvmlDeviceGetGpuInstanceProfileInfo', null)
  }
})

t.test('any other code ends the search at once', async t => {
  const { fixture, ask } = await ready(t)
  fixture.answer('nvmlDeviceGetGpuInstanceProfileInfoV', 4)
  t.match(await ask('gpuInstanceProfiles', [0]), { status: 4, call: 'nvmlDeviceGetGpuInstanceProfileInfoV' })
  t.strictSame(fixture.calls(), ['nvmlDeviceGetGpuInstanceProfileInfoV'])
})

t.test('INVALID_ARGUMENT for the first slot is about the handle, not the end of the list', async t => {
  const { fixture, ask } = await ready(t)
  fixture.answer('nvmlDeviceGetGpuInstanceProfileInfoV', 2)
  fixture.answer('nvmlDeviceGetGpuInstanceProfileInfo', 2)
  t.match(await ask('gpuInstanceProfiles', [0]), { status: 2, call: 'nvmlDeviceGetGpuInstanceProfileInfo' })
})

t.test('slots are read until the library says stop, however many it has', async t => {
  const { gpuInstanceProfiles } = await ready(t, { profileSlots: 120 })
  const { records } = await gpuInstanceProfiles()
  t.match(records.at(-1), { slot: 100, id: 101, sliceCount: 2, instanceCount: 3 })
})

t.test('what a profile row cannot say has its own reason', async t => {
  const { fixture, gpuInstanceProfiles } = await ready(t)
  fixture.answer('nvmlDeviceGetGpuInstanceRemainingCapacity', 4)
  fixture.answer('nvmlDeviceGetGpuInstancePossiblePlacements_v2', 4)
  const { status, records } = await gpuInstanceProfiles()
  t.equal(status, 0)
  t.match(records[0], { id: 19, remaining: NONE, remainingStatus: 4, placementStatus: 4, placements: [] })
})

t.test('an old library opens, and says FUNCTION_NOT_FOUND for each call that it lacks', async t => {
  const { ask, createGpuInstance, computeInstanceProfiles } = await ready(t, {
    without: ['nvmlDeviceGetMaxMigDeviceCount', 'nvmlDeviceCreateGpuInstanceWithPlacement']
  })
  t.match(await ask('migDevices', [0]), { status: 13, call: 'nvmlDeviceGetMaxMigDeviceCount' })
  t.match(await createGpuInstance(19, 3), {
    status: SessionStatus.placementUnavailable,
    call: 'nvmlDeviceCreateGpuInstanceWithPlacement'
  })
  t.match(await createGpuInstance(19), { status: 0, records: [{ id: 1, profileId: 19, start: 0, size: 1 }] })
  // The fixture has none of the calls that came with R525.
  t.match((await computeInstanceProfiles(anyWithId(1))).records[0], { id: 0, placementStatus: 13, placements: [] })
  t.match(await ask('computeInstancePlacements', [0, ...anyWithId(1), 0]), {
    status: 13,
    call: 'nvmlGpuInstanceGetComputeInstancePossiblePlacements'
  })
  t.match(await ask('createComputeInstance', [0, ...anyWithId(1), 0, 0, 1]), {
    status: SessionStatus.placementUnavailable,
    call: 'nvmlGpuInstanceCreateComputeInstanceWithPlacement'
  })
})

t.test('free placements are the possible ones that no live instance touches', async t => {
  const { placements, createGpuInstance, ask } = await ready(t)
  const starts = async (profile: number) => (await placements(profile)).records[0]!.free.map(({ start }) => start)
  t.strictSame(await starts(19), [0, 1, 2, 3, 4, 5, 6])
  await createGpuInstance(19, 2)
  t.strictSame(await starts(19), [0, 1, 3, 4, 5, 6])
  t.strictSame(await starts(0), [])
  await createGpuInstance(20, 4)
  t.strictSame(await starts(20), [], 'the driver has no capacity left for it, wherever there is room')
  t.strictSame(await starts(19), [0, 1, 3, 5, 6])
  await ask('setMigMode', [0, 0])
  t.equal((await placements(20)).records[0]!.possible.length, 7, 'possible does not depend on MIG mode')
})

t.test('with MIG mode off there are no instances and no MIG devices', async t => {
  const { ask, gpuInstances, migDevice } = await ready(t)
  await ask('setMigMode', [0, 0])
  t.match(await gpuInstances(), { status: 0, records: [] })
  t.match(await migDevice('migDevices', [0]), { status: 0, records: [] })
  t.match(await ask('createGpuInstance', [0, 19, NONE, 1]), { status: 3, call: 'nvmlDeviceCreateGpuInstance' })
})

t.test('a mode change drops the GPU handle and reads the mode back', async t => {
  const { fixture, migMode } = await ready(t)
  t.match(await migMode('setMigMode', [0, 0]), { status: 0, records: [{ current: 0, pending: 0, activation: 0 }] })
  t.strictSame(fixture.calls(), ['nvmlDeviceSetMigMode', 'nvmlDeviceGetHandleByUUID', 'nvmlDeviceGetMigMode'])
  t.match(await migMode('migMode', [0]), { records: [{ current: 0, pending: 0 }] })
  fixture.answer('nvmlDeviceSetMigMode', 19)
  t.match(await migMode('setMigMode', [0, 1]), { status: 19, call: 'nvmlDeviceSetMigMode' })
})

t.test('codes 2, 15 and 16 drop the handle, which is then fetched by UUID', async t => {
  const { fixture, ask } = await ready(t)
  for (const code of [2, 15, 16]) {
    fixture.answer('nvmlDeviceGetMigMode', code)
    t.equal((await ask('migMode', [0])).status, code)
    fixture.answer('nvmlDeviceGetMigMode', null)
    fixture.forgetCalls()
    await ask('migMode', [0])
    await ask('migMode', [0])
    t.strictSame(fixture.calls(), ['nvmlDeviceGetHandleByUUID', 'nvmlDeviceGetMigMode', 'nvmlDeviceGetMigMode'])
  }
})

t.test('a GPU that the session does not have', async t => {
  const { ask } = await ready(t)
  t.match(await ask('migMode', [7]), { status: 2, call: 'nvmlDeviceGetHandleByIndex_v2' })
})

t.test('an instance that took over the id is not the one that was meant', async t => {
  const { ask, createGpuInstance, createComputeInstance, computeInstances, gpuInstances } = await ready(t)
  await createGpuInstance(19, 3)
  await ask('destroyGpuInstance', [0, 4, 19, 3, 1, 0])
  const seen = [4, 19, 3, 1]
  await createGpuInstance(20, 3)
  const replaced = { status: SessionStatus.instanceReplaced, call: 'nvmlGpuInstanceGetInfo' }
  t.match(await ask('destroyGpuInstance', [0, ...seen, 1]), replaced)
  t.match(await ask('createComputeInstance', [0, ...seen, 0, NONE, 1]), replaced)
  t.match(await ask('computeInstances', [0, ...seen]), replaced)
  t.match(await ask('destroyGpuInstance', [0, 4, NONE, 3, 2, 1]), replaced, 'another size')
  t.match((await gpuInstances()).records, [{ id: 4, profileId: 20, start: 3, size: 1 }])

  const ci = (await createComputeInstance([4, 20, 3, 1], 0)).records[0]!
  t.match(ci, { id: 0, profileId: 0, start: 0, size: 1 })
  t.match(await ask('destroyComputeInstance', [0, 4, 20, 3, 1, 0, 8, 0, 7]), {
    status: SessionStatus.instanceReplaced,
    call: 'nvmlComputeInstanceGetInfo_v2'
  })
  t.match(await ask('destroyMigDevice', [0, ...seen, 0, 0, 0, 1]), replaced)
  t.equal((await computeInstances(anyWithId(4))).records.length, 1)
  t.match(await ask('destroyComputeInstance', [0, 4, 20, 3, 1, 0, 0, 0, 1]), { status: 0 })
  t.match(await ask('destroyComputeInstance', [0, 4, 20, 3, 1, 0, 0, 0, 1]), {
    status: 6,
    call: 'nvmlGpuInstanceGetComputeInstanceById'
  })
  t.match(await ask('destroyGpuInstance', [0, 9, 20, 3, 1, 0]), { status: 6, call: 'nvmlDeviceGetGpuInstanceById' })
})

t.test('destroying a GPU instance takes its compute instances along only when told', async t => {
  const { ask, createGpuInstance, createComputeInstance, gpuInstances } = await ready(t)
  await createGpuInstance(0)
  await createComputeInstance(anyWithId(0), 0)
  await createComputeInstance(anyWithId(0), 0)
  t.match(await ask('destroyGpuInstance', [0, 0, 0, 0, 8, 0]), { status: 19, call: 'nvmlGpuInstanceDestroy' })
  t.match(await ask('destroyGpuInstance', [0, 0, 0, 0, 8, 1]), { status: 0 })
  t.match((await gpuInstances()).records, [])
})

t.test('a GPU instance that cannot be described is destroyed again', async t => {
  const { fixture, ask, gpuInstances } = await ready(t)
  fixture.answer('nvmlGpuInstanceGetInfo', 999)
  t.match(await ask('createGpuInstance', [0, 19, NONE, 1]), { status: 999, call: 'nvmlGpuInstanceGetInfo' })
  t.equal(fixture.calls().at(-1), 'nvmlGpuInstanceDestroy')
  fixture.answer('nvmlGpuInstanceDestroy', 19)
  t.match(await ask('createGpuInstance', [0, 19, NONE, 1]), {
    status: SessionStatus.undoFailed,
    call: 'nvmlGpuInstanceDestroy'
  })
  fixture.answer('nvmlGpuInstanceGetInfo', null)
  t.equal((await gpuInstances()).records.length, 1, 'the second is still there')
})

t.test('a MIG device takes the first full-size compute profile that the board accepts', async t => {
  const { migDevice } = await ready(t)
  const created = await migDevice('createMigDevice', [0, 0, NONE, 8])
  t.match(created, {
    status: 0,
    records: [
      {
        ...{ gpu: 0, index: 0, gpuInstanceId: 0, computeInstanceId: 0, gpuInstanceProfileId: 0, start: 0, size: 8 },
        ...{ computeProfileId: 8, computeStart: 0, computeSize: 7, gpuInstanceSlices: 7, computeInstanceSlices: 7 },
        ...{ memoryMiB: 1024, uuid: 'MIG-GPU-00000000-0000-4000-8000-000000000001/0/0', name: 'Imaginary GPU MIG' }
      }
    ]
  })
  const [device] = created.records
  t.strictSame((await migDevice('migDevices', [0])).records, [device])
  t.strictSame((await migDevice('migDevice', [0, 0, 0])).records, [device])
  t.strictSame((await migDevice('migDeviceByUuid', [], device!.uuid)).records, [device])
})

t.test('both halves of a MIG device or neither', async t => {
  const { fixture, ask, gpuInstances } = await ready(t)
  const create = () => ask('createMigDevice', [0, 19, NONE, 1])
  const failures: [string, number, string[]][] = [
    ['nvmlDeviceCreateGpuInstance', 23, []],
    ['nvmlGpuInstanceCreateComputeInstance', 23, ['nvmlGpuInstanceDestroy']],
    ['nvmlComputeInstanceGetInfo_v2', 999, ['nvmlComputeInstanceDestroy', 'nvmlGpuInstanceDestroy']],
    ['nvmlDeviceGetUUID', 999, ['nvmlComputeInstanceDestroy', 'nvmlGpuInstanceDestroy']]
  ]
  for (const [name, code, undo] of failures) {
    fixture.answer(name, code)
    fixture.forgetCalls()
    t.match(await create(), { status: code, call: name })
    t.strictSame(
      fixture.calls().filter(call => call.endsWith('Destroy')),
      undo,
      name
    )
    fixture.answer(name, null)
    t.match((await gpuInstances()).records, [])
  }
  fixture.answer('nvmlDeviceGetUUID', 999)
  fixture.answer('nvmlComputeInstanceDestroy', 19)
  t.match(await create(), { status: SessionStatus.undoFailed, call: 'nvmlComputeInstanceDestroy' })
})

t.test('what somebody else destroyed meanwhile is not found, needs no undo, and is destroyed', async t => {
  const { fixture, ask, computeInstanceProfiles, createGpuInstance, createComputeInstance } = await ready(t)
  await createGpuInstance(0)
  const device = [0, 0, 0, 0, 8, 0, 0, 0, 1]
  /** The code by which NVML calls a dead handle, for these functions while `ask` runs. */
  const dead = async (names: string[], ask: () => Promise<{ status: number; call: string | null }>) => {
    for (const name of names) fixture.answer(name, 2)
    const { status, call } = await ask()
    for (const name of names) fixture.answer(name, null)
    return { status, call }
  }
  const notFound = (call: string) => ({ status: 6, call })

  const inList = fixture.hold('nvmlGpuInstanceGetComputeInstanceProfileInfo')
  const list = computeInstanceProfiles(anyWithId(0))
  await inList.entered
  t.strictSame(
    await dead(['nvmlGpuInstanceGetInfo'], async () => {
      await inList.release()
      return list
    }),
    notFound('nvmlGpuInstanceGetInfo'),
    'a list that ended early because its instance went is none'
  )

  await createComputeInstance(anyWithId(0), 0)
  for (const [name, operation, args] of [
    ['nvmlGpuInstanceGetComputeInstances', 'computeInstances', [0, ...anyWithId(0)]],
    ['nvmlGpuInstanceGetComputeInstanceById', 'destroyComputeInstance', device],
    ['nvmlComputeInstanceGetInfo_v2', 'destroyComputeInstance', device],
    ['nvmlComputeInstanceDestroy', 'destroyMigDevice', device],
    ['nvmlGpuInstanceDestroy', 'destroyGpuInstance', [0, 0, 0, 0, 8, 0]]
  ] as const) {
    t.strictSame(await dead([name], () => ask(operation, [...args])), notFound(name), `${name} in ${operation}`)
  }
  t.match(await ask('createComputeInstance', [0, ...anyWithId(0), 99, NONE, 1]), { status: 3 }, 'a refusal stays one')
  t.match(await dead(['nvmlGpuInstanceDestroy'], () => ask('destroyMigDevice', device)), { status: 0 })
  await ask('destroyGpuInstance', [0, 0, 0, 0, 8, 1])

  const create = () => ask('createMigDevice', [0, 19, NONE, 1])
  t.strictSame(await dead(['nvmlGpuInstanceGetInfo', 'nvmlGpuInstanceDestroy'], create), notFound('nvmlGpuInstanceGetInfo'))
  for (const [name, undo] of [
    ['nvmlComputeInstanceGetInfo_v2', ['nvmlComputeInstanceDestroy', 'nvmlGpuInstanceDestroy']],
    ['nvmlDeviceGetIndex', ['nvmlComputeInstanceDestroy', 'nvmlGpuInstanceDestroy']]
  ] as const) {
    fixture.forgetCalls()
    t.strictSame(await dead([name, ...undo], create), notFound(name))
    t.strictSame(
      fixture.calls().filter(call => call.endsWith('Destroy')),
      undo,
      'both halves were tried'
    )
  }
})

t.test('destroying a MIG device destroys the GPU instance with its last compute instance', async t => {
  const { ask, createGpuInstance, createComputeInstance, gpuInstances } = await ready(t)
  await createGpuInstance(0)
  await createComputeInstance(anyWithId(0), 0)
  await createComputeInstance(anyWithId(0), 0)
  t.match(await ask('destroyMigDevice', [0, 0, 0, 0, 8, 0, 0, 0, 1]), { status: 0 })
  t.equal((await gpuInstances()).records.length, 1)
  t.match(await ask('destroyMigDevice', [0, 0, 0, 0, 8, 1, 0, 1, 1]), { status: 0 })
  t.match((await gpuInstances()).records, [])
})

t.test('a MIG device is found whatever the instance info and the UUID lookup say', async t => {
  const { fixture, migDevice } = await ready(t)
  fixture.nameGpuAsDevice()
  const [device] = (await migDevice('createMigDevice', [0, 19, 5, 1])).records
  t.match(device, { gpuInstanceId: 6, start: 5, index: 35 })
  fixture.answer('nvmlDeviceGetHandleByUUID', 2)
  t.strictSame((await migDevice('migDevice', [0, 6, 0])).records, [device], 'by walking the indices')
  t.match(await migDevice('migDevice', [0, 6, 3]), { status: 6, call: 'nvmlGpuInstanceGetComputeInstanceById' })
})

t.test('a caller who may not look at the instances still sees the MIG devices', async t => {
  const { fixture, migDevice } = await ready(t)
  const [device] = (await migDevice('createMigDevice', [0, 19, NONE, 1])).records
  fixture.answer('nvmlDeviceGetGpuInstanceById', 4)
  const seen = {
    ...device,
    ...{ gpuInstanceProfileId: NONE, start: NONE, size: NONE, computeProfileId: NONE, computeStart: NONE, computeSize: NONE }
  }
  t.strictSame((await migDevice('migDevices', [0])).records, [seen])
  t.strictSame((await migDevice('migDevice', [0, 1, 0])).records, [seen])
  t.strictSame((await migDevice('migDeviceByUuid', [], device!.uuid)).records, [seen])
})

t.test('devices that a driver goes on listing after their instances went are left out', async t => {
  const { fixture, migDevice } = await ready(t)
  await migDevice('createMigDevice', [0, 19, NONE, 1])
  fixture.answer('nvmlDeviceGetGpuInstanceById', 6)
  t.match(await migDevice('migDevices', [0]), { status: 0, records: [] })
})

t.test('a UUID that leads to no MIG device', async t => {
  const { migDevice } = await ready(t)
  const gpu = 'GPU-00000000-0000-4000-8000-000000000001'
  const notFound = { status: 6, call: 'nvmlDeviceGetHandleByUUID' }
  t.match(await migDevice('migDeviceByUuid', [], gpu), notFound, 'a GPU is none')
  t.match(await migDevice('migDeviceByUuid', [], `MIG-${gpu}/1/0`), notFound)
  t.match(await migDevice('migDeviceByUuid', [], 'nonsense'), { status: 2, call: 'nvmlDeviceGetHandleByUUID' })
})
