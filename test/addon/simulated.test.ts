/**
 * The life of a MIG device through the bare addon, on simulated nodes of every kind of driver that
 * answers differently. Which release brought what: facts on NVML's symbols and MIG's UUID forms,
 * collected from released libraries and headers.
 */
import t from 'tap'
import { binding } from '../../lib/binding.js'
import {
  computeInstanceProfileBytes,
  decodeComputeInstanceProfile,
  decodeGpu,
  decodeGpuInstance,
  decodeGpuInstanceProfile,
  decodeMigDevice,
  decodeMigMode,
  decodePlacementList,
  decodeSessionInfo,
  gpuBytes,
  gpuInstanceBytes,
  gpuInstanceProfileBytes,
  migDeviceBytes,
  migModeBytes,
  NONE,
  Operation,
  placementListBytes,
  resultHeaderBytes,
  SessionStatus,
  sessionInfoBytes
} from '../../lib/records.js'
import { simulate } from '../../lib/simulator/index.js'
import { outcome } from './fixture.js'

/** What 3g.20gb is on an A100-SXM4-40GB: its id, and where it may go in memory slices. */
const PROFILE = 9
const PLACES = [
  { start: 0, size: 4 },
  { start: 4, size: 4 }
]

/** `counts`: says how many fit on an empty GPU, and not 0; R450 to R510 are said not to, listings of R460 do. */
const drivers = [
  { driver: '450', name: '', counts: false, choosesPlace: false, computePlacements: false, uuid: /^MIG-GPU-.*\/\d+\/0$/ },
  { driver: '460', name: '', counts: true, choosesPlace: true, computePlacements: false, uuid: /^MIG-GPU-.*\/\d+\/0$/ },
  { driver: '470', name: '', counts: false, choosesPlace: true, computePlacements: false, uuid: /^MIG-[0-9a-f-]{36}$/ },
  {
    driver: '510',
    name: 'MIG 3g.20gb',
    counts: false,
    choosesPlace: true,
    computePlacements: false,
    uuid: /^MIG-[0-9a-f-]{36}$/
  },
  { driver: '525', name: 'MIG 3g.20gb', counts: true, choosesPlace: true, computePlacements: true, uuid: /^MIG-[0-9a-f-]{36}$/ },
  { driver: '550', name: 'MIG 3g.20gb', counts: true, choosesPlace: true, computePlacements: true, uuid: /^MIG-[0-9a-f-]{36}$/ }
]

for (const { driver, name, counts, choosesPlace, computePlacements, uuid } of drivers) {
  t.test(`the life of a MIG device under driver ${driver}`, async t => {
    const node = await simulate({ gpus: ['A100-SXM4-40GB*2'], driver })
    t.teardown(() => node.close())
    const opened = await binding().open(node.library)
    const { session, driverVersion } = decodeSessionInfo(new DataView(opened), resultHeaderBytes)
    t.teardown(() => binding().close(session))
    t.match(driverVersion, `${driver}.`)
    const gpus = outcome(opened, decodeGpu, gpuBytes, resultHeaderBytes + sessionInfoBytes).records
    t.match(gpus, [
      { index: 0, status: 0, call: NONE, migCapable: 1 },
      { index: 1, status: 0 }
    ])
    const ask = (operation: keyof typeof Operation, args: number[], text?: string) =>
      binding().call(session, Operation[operation], args, text)
    const devices = async (operation: keyof typeof Operation, args: number[], text?: string) =>
      outcome(await ask(operation, args, text), decodeMigDevice, migDeviceBytes)

    const mode = outcome(await ask('setMigMode', [0, 1]), decodeMigMode, migModeBytes)
    t.match(mode, { status: 0, call: null, records: [{ current: 1, pending: 1, activation: 0 }] })
    const profiles = outcome(await ask('gpuInstanceProfiles', [0]), decodeGpuInstanceProfile, gpuInstanceProfileBytes)
    t.match(
      profiles.records.find(({ id }) => id === PROFILE),
      {
        name,
        sliceCount: 3,
        instanceCount: 2,
        multiprocessorCount: 42,
        remaining: counts ? 2 : 0,
        placementStatus: 0,
        placements: PLACES
      }
    )
    const placements = async () =>
      outcome(await ask('gpuInstancePlacements', [0, PROFILE]), decodePlacementList, placementListBytes).records[0]
    t.match(await placements(), { possible: PLACES, free: PLACES })

    const chosen = await devices('createMigDevice', [0, PROFILE, 4, 4])
    if (!choosesPlace) t.match(chosen, { status: SessionStatus.placementUnavailable })
    const made = choosesPlace ? chosen : await devices('createMigDevice', [0, PROFILE, NONE, 4])
    t.match(made.records, [
      {
        ...{ gpu: 0, index: 0, gpuInstanceId: 2, computeInstanceId: 0, gpuInstanceProfileId: PROFILE, start: 4, size: 4 },
        ...{ gpuInstanceSlices: 3, computeInstanceSlices: 3, multiprocessorCount: 42, uuid, name: /MIG 3g\.20gb$/ }
      }
    ])
    const device = made.records[0]!
    t.match(await placements(), { possible: PLACES, free: [PLACES[0]!] })
    t.strictSame((await devices('migDevices', [0])).records, [device])
    t.strictSame((await devices('migDevices', [1])).records, [])
    t.strictSame((await devices('migDevice', [0, 2, 0])).records, [device])
    t.strictSame((await devices('migDeviceByUuid', [], device.uuid)).records, [device])
    t.strictSame((await devices('migDeviceByUuid', [], `MIG-${gpus[0]!.uuid}/2/0`)).records, [device])

    const gi = [2, PROFILE, 4, 4]
    const computes = outcome(
      await ask('computeInstanceProfiles', [0, ...gi]),
      decodeComputeInstanceProfile,
      computeInstanceProfileBytes
    )
    t.match(
      computes.records.find(({ sliceCount }) => sliceCount === 3),
      { name, remaining: 0, placementStatus: computePlacements ? 0 : 13 }
    )

    const ci = [device.computeInstanceId, device.computeProfileId, device.computeStart, device.computeSize]
    t.match(outcome(await ask('destroyMigDevice', [0, ...gi, ...ci])), { status: 0 })
    t.strictSame(outcome(await ask('gpuInstances', [0]), decodeGpuInstance, gpuInstanceBytes).records, [])
    t.match(await devices('migDevice', [0, 2, 0]), { status: 6, call: 'nvmlDeviceGetGpuInstanceById' })
  })
}

t.test('a node is told what happens around its GPUs, and says how often it was asked', async t => {
  const node = await simulate({ gpus: ['A100-SXM4-40GB'] })
  t.teardown(() => node.close())
  const { session } = decodeSessionInfo(new DataView(await binding().open(node.library)), resultHeaderBytes)
  t.teardown(() => binding().close(session))
  const before = binding().simulatorCalls(node.library, 'nvmlDeviceGetMigMode')
  await binding().call(session, Operation.migMode, [0])
  t.equal(binding().simulatorCalls(node.library, 'nvmlDeviceGetMigMode'), before + 1)
  const setPrivileged = 4
  t.match(binding().simulatorCommand(node.library, setPrivileged, [0]), { status: 0, text: '' })
  t.match(outcome(await binding().call(session, Operation.setMigMode, [0, 1])), { status: 4, call: 'nvmlDeviceSetMigMode' })
  t.throws(() => binding().simulatorCalls(node.library, 'nvmlDeviceBake'), { name: 'TypeError', message: /nvmlDeviceBake/ })
})
