/** The whole node as plain data. */
import t from 'tap'
import { SessionError } from '../lib/index.js'
import { board } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'
import { throughJson } from './helpers/snapshots.js'

t.test('a GPU with instances', async t => {
  const { node, nvml } = await openNode(t, { gpus: [{ model: 'A30', giNumbering: 'swapped' }, 'A30'] }, { mig: true })
  const gpu = nvml.gpu(0)
  const instance = await gpu.createGpuInstance('2g.12gb', { start: 2 })
  await instance.createComputeInstance('1c.2g.12gb', { start: 1 })
  await gpu.createGpuInstance('1g.6gb+me', { start: 1 })
  const [mig] = await gpu.devices()
  const snapshot = await nvml.snapshot()
  t.same(throughJson(snapshot), snapshot, 'JSON keeps all of it')
  const { format, driver, gpus } = snapshot
  t.equal(format, 'nvml-mig-snapshot/1')
  t.same(driver, { version: '550.163.01', nvml: '12.550.163.01', cuda: '12.4', unavailable: {} })
  const [first, second] = gpus
  const { uuid, serial, pciBusId } = node.gpus[0]!
  // The A30's own figures: row A30 (docs/simulator.md), NVML_BRAND_NVIDIA.
  t.match(first, {
    index: 0,
    uuid,
    serial,
    pciBusId,
    name: 'NVIDIA A30',
    pciDeviceId: '0x20B710DE',
    pciSubSystemId: '0x153210DE',
    minorNumber: 0,
    boardPartNumber: /^SIM-/,
    vbiosVersion: /^92\.00\./,
    brand: 'NVIDIA',
    architecture: 'Ampere',
    computeCapability: '8.0',
    memory: { totalMiB: 24576 },
    bar1: { totalMiB: 32768, freeMiB: 32768, usedMiB: 0 },
    migCapable: true,
    migMode: { current: true, pending: true },
    maxMigDevices: 4,
    unavailable: {}
  })
  t.same(
    first!.profiles!.map(({ name, remaining }) => [name, remaining]),
    [
      ['1g.6gb', 1],
      ['1g.6gb+me', 0],
      ['2g.12gb', 0],
      ['2g.12gb+me', 0],
      ['4g.24gb', 0]
    ],
    'as nvidia-smi mig -lgip lists them, beside what lives'
  )
  t.match(first!.profiles![2], {
    name: '2g.12gb',
    reportedName: 'MIG 2g.12gb',
    id: 5,
    slot: 1,
    slices: 2,
    memoryMiB: 11968,
    multiprocessors: 28,
    engines: { copy: 2, decoder: 2, encoder: 0, jpeg: 0, opticalFlow: 0 },
    maxInstances: 2,
    p2p: false,
    capabilities: 0,
    placements: [
      { start: 0, size: 2 },
      { start: 2, size: 2 }
    ],
    computeInstanceProfiles: [
      { name: '1c.2g.12gb', reportedName: 'MIG 1c.2g.12gb', id: 0, slot: 0, slices: 1, multiprocessors: 14, maxInstances: 2 },
      { name: '2g.12gb', id: 1, slot: 1, slices: 2, multiprocessors: 28, maxInstances: 1 }
    ]
  })
  t.equal(first!.profiles![4]!.computeInstanceProfiles, null, 'of what does not live NVML tells none')
  // Swapped numbering: the half at slice 2 is 1, the quarter at slice 1 is 6.
  const device = { uuid: mig!.uuid, index: 0, name: 'NVIDIA A30 MIG 1c.2g.12gb' }
  t.same(first!.gpuInstances, [
    {
      id: 1,
      profile: '2g.12gb',
      profileId: 5,
      placement: { start: 2, size: 2 },
      computeInstances: [{ id: 0, profile: '1c.2g.12gb', profileId: 0, placement: { start: 1, size: 1 }, ...device }],
      unavailable: {}
    },
    { id: 6, profile: '1g.6gb+me', profileId: 21, placement: { start: 1, size: 1 }, computeInstances: [], unavailable: {} }
  ])
  const idle = board('A30').profiles!.find(({ name }) => name === '2g.12gb')!.idleMemory.mib!
  t.same(first!.migDevices, [
    {
      ...device,
      profile: '1c.2g.12gb',
      gpuInstanceId: 1,
      computeInstanceId: 0,
      memory: { totalMiB: 11968, freeMiB: 11968 - idle, usedMiB: idle },
      // Half of the board's, less 1 MiB.
      bar1: { totalMiB: 16383, freeMiB: 16383, usedMiB: 0 },
      gpuInstanceSlices: 2,
      computeInstanceSlices: 1,
      multiprocessors: 14,
      engines: { copy: 2, decoder: 2, encoder: 0, jpeg: 0, opticalFlow: 0 },
      processes: [],
      unavailable: {}
    }
  ])
  t.same([second!.gpuInstances, second!.migDevices], [[], []])
})

t.test('what cannot be read is null, with the reason', async t => {
  await t.test('MIG off, before R550', async t => {
    const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], driver: '535' })
    const [gpu] = (await nvml.snapshot()).gpus
    t.equal(gpu!.profiles, null)
    t.same(gpu!.unavailable, { profiles: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetGpuInstanceProfileInfo' } })
    t.same([gpu!.migMode, gpu!.gpuInstances, gpu!.migDevices], [{ current: false, pending: false }, [], []])
  })
  await t.test('a driver that gives no names and no placements of compute instances', async t => {
    const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], driver: '450' }, { mig: true })
    await nvml.gpu(0).create('3g.20gb')
    const profiles = (await nvml.snapshot()).gpus[0]!.profiles!
    const live = profiles.find(({ name }) => name === '3g.20gb')!
    t.same([live.reportedName, live.capabilities, live.p2p], [null, null, false])
    t.equal(live.computeInstanceProfiles!.length, 3)
    t.match(live.computeInstanceProfiles![0], {
      reportedName: null,
      placements: null,
      unavailable: { placements: { code: 'FUNCTION_NOT_FOUND', status: 13 } }
    })
  })
  await t.test('without root’s rights', async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'] }, { mig: true })
    const mig = await nvml.gpu(0).create('3g.20gb')
    node.setPrivileged(false)
    const [gpu] = (await nvml.snapshot()).gpus
    t.match(gpu, {
      gpuInstances: null,
      memory: null,
      bar1: null,
      migDevices: [{ uuid: mig.uuid, memory: { totalMiB: 19968 } }]
    })
    t.match(gpu!.unavailable, {
      gpuInstances: { code: 'NO_PERMISSION', status: 4 },
      memory: { code: 'NO_PERMISSION', call: 'nvmlDeviceGetMemoryInfo_v2' },
      bar1: { code: 'NO_PERMISSION', call: 'nvmlDeviceGetBAR1MemoryInfo' }
    })
    t.match(gpu!.profiles![0], { placements: null, remaining: null, unavailable: { placements: { code: 'NO_PERMISSION' } } })
    t.equal(gpu!.profiles![0]!.memoryMiB, 4864, 'the profiles themselves need no right since R510')
  })
  await t.test('a board that has no serial to read', async t => {
    const { nvml } = await openNode(t, { gpus: ['Thor-iGPU'], fill: 'derived' })
    const [gpu] = (await nvml.snapshot()).gpus
    t.equal(gpu!.vbiosVersion, null)
    t.same(gpu!.unavailable.vbiosVersion, { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetVbiosVersion' })
  })
})

t.test('a session that only reads may take one; a closed one may not', async t => {
  const { nvml } = await openNode(t, { gpus: ['A30'] })
  await nvml.close()
  await t.rejects(nvml.snapshot(), new SessionError('CLOSED', 'cannot read the node: the session is closed'))
})
