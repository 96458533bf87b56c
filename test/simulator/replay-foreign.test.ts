/** Nodes made of snapshots of boards and drivers that the simulator does not have. */
import t from 'tap'
import type { GpuInstanceProfileSnapshot, GpuSnapshot, Snapshot } from '../../lib/index.js'
import { simulate } from '../../lib/simulator/index.js'
import { onNode, roundTrip, snapshotFrom } from '../helpers/snapshots.js'

const engines = { copy: 2, decoder: 1, encoder: 0, jpeg: 1, opticalFlow: 0 }

/** A profile of an imaginary board, as a driver might report one. */
function profile(name: string, values: Partial<GpuInstanceProfileSnapshot> & { slices: number; starts: number[]; size: number }) {
  const { slices, starts, size, ...rest } = values
  return {
    name,
    reportedName: `MIG ${name}`,
    slices,
    memoryMiB: 20_000 * size,
    multiprocessors: 20 * slices,
    engines,
    maxInstances: starts.length,
    p2p: true,
    capabilities: 1,
    placements: starts.map(start => ({ start, size })),
    remaining: 0,
    computeInstanceProfiles: null,
    ...rest
  } as GpuInstanceProfileSnapshot
}

const imaginary = (gpu: Partial<GpuSnapshot> = {}, driver: Partial<Snapshot['driver']> = {}): Snapshot => ({
  format: 'nvml-mig-snapshot/1',
  driver: { version: '580.105.08', nvml: '13.580.105.08', cuda: '13.0', unavailable: {}, ...driver },
  gpus: [
    {
      index: 0,
      uuid: 'GPU-00112233-4455-6677-8899-aabbccddeeff',
      name: 'NVIDIA X999',
      serial: null,
      pciBusId: '0001:C1:00.0'.padStart(16, '0'),
      pciDeviceId: '0x7FFF10DE',
      pciSubSystemId: '0x7FFE10DE',
      minorNumber: 3,
      boardPartNumber: null,
      vbiosVersion: '99.00.01.00.01',
      brand: 'NVIDIA',
      architecture: 'Rubin',
      computeCapability: '11.0',
      memory: { totalMiB: 160_000, freeMiB: 159_482, usedMiB: 0, reservedMiB: 518 },
      bar1: { totalMiB: 262_144, freeMiB: 262_144, usedMiB: 0 },
      migCapable: true,
      migMode: { current: true, pending: true },
      maxMigDevices: 4,
      profiles: [
        profile('1g.20gb', { id: 30, slot: 0, slices: 1, starts: [0, 1, 2, 3], size: 1 }),
        profile('4g.80gb', {
          id: 31,
          slot: 3,
          slices: 4,
          starts: [0],
          size: 4,
          computeInstanceProfiles: [
            {
              name: '1c.4g.80gb',
              reportedName: 'MIG 1c.4g.80gb',
              id: 5,
              slot: 0,
              slices: 1,
              multiprocessors: 20,
              engines,
              maxInstances: 4,
              capabilities: 0,
              placements: [0, 1, 2, 3].map(start => ({ start, size: 1 }))
            }
          ]
        })
      ],
      gpuInstances: [
        {
          id: 0,
          profile: '4g.80gb',
          profileId: 31,
          placement: { start: 0, size: 4 },
          computeInstances: [
            {
              id: 2,
              profile: '1c.4g.80gb',
              profileId: 5,
              placement: { start: 1, size: 1 },
              uuid: 'MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
              index: 0,
              name: 'NVIDIA X999 MIG 1c.4g.80gb'
            }
          ],
          unavailable: {}
        }
      ],
      migDevices: [
        {
          uuid: 'MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
          index: 0,
          name: 'NVIDIA X999 MIG 1c.4g.80gb',
          profile: '1c.4g.80gb',
          gpuInstanceId: 0,
          computeInstanceId: 2,
          memory: { totalMiB: 80_000, freeMiB: 80_000, usedMiB: 0 },
          bar1: { totalMiB: 262_143, freeMiB: 262_143, usedMiB: 0 },
          gpuInstanceSlices: 4,
          computeInstanceSlices: 1,
          multiprocessors: 20,
          engines,
          unavailable: {}
        }
      ],
      unavailable: {
        serial: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetSerial' },
        boardPartNumber: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetBoardPartNumber' }
      },
      ...gpu
    }
  ]
})

t.test('a board that the simulator has no row of', async t => {
  await roundTrip(t, 'all that a snapshot tells', imaginary())
  const node = await simulate({ from: imaginary() })
  t.teardown(() => node.close())
  t.match(node.gpus[0], { model: 'NVIDIA X999', name: 'NVIDIA X999', serial: '', pciBusId: '00000001:C1:00.0' })
  t.same(
    node.gpus[0]!.filled.map(({ figure, of, value }) => [figure, of, value]),
    [
      ['computeInstances', '1g.20gb', '1c'],
      ['computeMultiprocessors', '1g.20gb of 1g.20gb', 20]
    ],
    'what no driver tells of what does not live is computed, and named'
  )
  await onNode(node, async nvml => {
    const gpu = nvml.gpu(0)
    await (await gpu.instances())[0]!.destroy({ force: true })
    for (let i = 0; i < 4; i++) await gpu.create('1g.20gb')
    t.equal((await gpu.devices()).length, 4)
  })
})

t.test('a driver newer than the simulator knows, and a slot past its last', async t => {
  const [gpu] = imaginary().gpus
  const [small, large] = gpu!.profiles!
  const profiles = [small!, profile('2g.40gb+new', { id: 99, slot: 30, slices: 2, starts: [0, 2], size: 2 }), large!]
  await roundTrip(t, 'played as the newest is', imaginary({ profiles }, { version: '700.10', nvml: '14.700.10', cuda: '15.1' }))
})

t.test('a GPU without MIG beside one that has it', async t => {
  const { gpus } = imaginary({
    name: 'NVIDIA T4',
    architecture: 'Turing',
    computeCapability: '7.5',
    brand: 'Tesla',
    migCapable: false,
    migMode: null,
    maxMigDevices: 0,
    profiles: [],
    gpuInstances: [],
    migDevices: [],
    unavailable: {
      serial: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetSerial' },
      boardPartNumber: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetBoardPartNumber' },
      migMode: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetMigMode' }
    }
  })
  const { gpus: others, ...rest } = await snapshotFrom({ gpus: ['A30'] }, async () => {}, { include: { readings: false } })
  await roundTrip(t, 'both', { ...rest, gpus: [others[0]!, { ...gpus[0]!, index: 1 }] })
})

t.test('profiles that could not be read, and no row to take them from', async t => {
  const profiles = { code: 'NOT_SUPPORTED' as const, status: 3, call: 'nvmlDeviceGetGpuInstanceProfileInfo' }
  const off = {
    profiles: null,
    gpuInstances: [],
    migDevices: [],
    migMode: { current: false, pending: false },
    unavailable: { profiles }
  }
  await t.rejects(simulate({ from: imaginary(off) }), {
    message:
      'simulate: from.gpus[0].profiles is null (NOT_SUPPORTED), and there is no row of NVIDIA X999 to take them from: ' +
      'take the snapshot as root and, where the driver is older than R550, with MIG on'
  })
})
