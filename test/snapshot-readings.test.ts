/** Readings and processes of a snapshot, each against what the node was told to show. */
import t from 'tap'
import { binding } from '../lib/binding.js'
import { open } from '../lib/index.js'
import { board } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'
import { throughJson } from './helpers/snapshots.js'

t.test('every figure', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30*2'], driver: '580' })
  node.setReadings(0, {
    ...{ powerMilliwatts: 101_001, powerLimitMilliwatts: 150_002, powerDefaultLimitMilliwatts: 165_003 },
    ...{ temperatureCelsius: 61, performanceState: 2, persistenceMode: false, computeMode: 3 },
    ...{ graphicsClockMHz: 901, smClockMHz: 902, memoryClockMHz: 903, videoClockMHz: 904 },
    ...{ maxGraphicsClockMHz: 1901, maxSmClockMHz: 1902, maxMemoryClockMHz: 1903, maxVideoClockMHz: 1904 },
    ...{ gpuUtilizationPercent: 91, memoryUtilizationPercent: 52, encoderUtilizationPercent: 13 },
    ...{ decoderUtilizationPercent: 24, jpegUtilizationPercent: 35, ofaUtilizationPercent: 46 },
    ...{ eccEnabled: true, eccPendingEnabled: false },
    ...{
      eccVolatileCorrectedDram: 1,
      eccVolatileCorrectedSram: 10,
      eccVolatileUncorrectedDram: 2,
      eccVolatileUncorrectedSram: 20
    },
    ...{ eccAggregateCorrectedDram: 2 ** 40, eccAggregateCorrectedSram: 30 },
    ...{ eccAggregateUncorrectedDram: 4, eccAggregateUncorrectedSram: 40 },
    ...{ pcieGeneration: 3, pcieMaxGeneration: 4, pcieWidth: 8, pcieMaxWidth: 16, pcieReplays: 77 },
    ...{ idleMemoryMiB: 25, memoryReservedMiB: 500 }
  })
  const [gpu, other] = (await nvml.snapshot()).gpus
  const { persistenceMode, computeMode, performanceState, power, temperatureCelsius } = gpu!
  const { clocks, utilization, ecc, pcie, memory, unavailable } = gpu!
  t.strictSame(
    {
      ...{ persistenceMode, computeMode, performanceState, power, temperatureCelsius },
      ...{ clocks, utilization, ecc, pcie, memory, unavailable }
    },
    {
      persistenceMode: false,
      computeMode: 'exclusive-process',
      performanceState: 2,
      power: {
        usageMilliwatts: 101_001,
        limitMilliwatts: 150_002,
        enforcedLimitMilliwatts: 150_002,
        defaultLimitMilliwatts: 165_003
      },
      temperatureCelsius: 61,
      clocks: {
        ...{ graphicsMHz: 901, smMHz: 902, memoryMHz: 903, videoMHz: 904 },
        ...{ maxGraphicsMHz: 1901, maxSmMHz: 1902, maxMemoryMHz: 1903, maxVideoMHz: 1904 }
      },
      utilization: {
        ...{ gpuPercent: 91, memoryPercent: 52, encoderPercent: 13 },
        ...{ decoderPercent: 24, jpegPercent: 35, opticalFlowPercent: 46 }
      },
      ecc: {
        ...{ enabled: true, pendingEnabled: false, volatileCorrected: 11, volatileUncorrected: 22 },
        ...{ aggregateCorrected: 2 ** 40 + 30, aggregateUncorrected: 44 }
      },
      pcie: { generation: 3, maxGeneration: 4, width: 8, maxWidth: 16, replays: 77 },
      memory: { totalMiB: 24576, freeMiB: 24576 - 525, usedMiB: 25, reservedMiB: 500 },
      unavailable: {}
    }
  )
  t.notMatch(other, { temperatureCelsius: 61 }, 'of that GPU alone')
  node.setReadings(0, { temperatureCelsius: 62, powerMilliwatts: null, performanceState: null })
  const [next] = (await nvml.snapshot()).gpus
  t.match(next, { temperatureCelsius: 62, power: { usageMilliwatts: null }, performanceState: null }, 'nothing is kept')
  t.strictSame(next!.unavailable, {
    performanceState: { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetPerformanceState' },
    'power.usageMilliwatts': { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetPowerUsage' }
  })
})

t.test('processes, each once, where they run', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] })
  await nvml.gpu(0).setMigMode(true)
  const shared = await nvml.gpu(0).createGpuInstance('3g.20gb', { start: 4 })
  for (const start of [0, 1]) await shared.createComputeInstance('1c.3g.20gb', { start })
  const at = (computeInstance: number) => ({ gpu: 0, gpuInstance: shared.id, computeInstance })
  const start = (options: Parameters<typeof node.startClient>[0]) => node.startClient({ follow: false, ...options })
  start({ ...at(1), pid: 101, name: 'träin', memoryMiB: 300 })
  start({ ...at(1), pid: 102, name: 'mps', memoryMiB: null, kind: 'mps' })
  start({ ...at(0), pid: 101, name: 'träin', memoryMiB: 400 })
  start({ gpu: 1, pid: 103, name: 'Xorg', memoryMiB: 20, kind: 'graphics' })
  const { gpus } = await nvml.snapshot()
  const ids = (computeInstanceId: number) => ({ gpuInstanceId: shared.id, computeInstanceId })
  t.strictSame(gpus[0]!.processes, [])
  t.strictSame(
    gpus[0]!.migDevices!.map(({ processes }) => processes),
    [
      [{ pid: 101, kind: 'compute', name: 'träin', memoryMiB: 400, ...ids(0) }],
      [
        { pid: 101, kind: 'compute', name: 'träin', memoryMiB: 300, ...ids(1) },
        { pid: 102, kind: 'mps', name: 'mps', memoryMiB: null, ...ids(1) }
      ]
    ]
  )
  t.same(gpus[1]!.processes, [
    { pid: 103, kind: 'graphics', name: 'Xorg', memoryMiB: 20, gpuInstanceId: null, computeInstanceId: null }
  ])
  const idle = board('A100-SXM4-40GB').profiles!.find(({ name }) => name === '3g.20gb')!.idleMemory.mib
  t.equal(gpus[0]!.migDevices![0]!.memory!.usedMiB, 700 + idle, 'the memory of the GPU instance has both')
  const { gpus: flat } = await nvml.snapshot({ include: { instances: false } })
  t.same(
    flat[0]!.processes,
    gpus[0]!.migDevices!.flatMap(({ processes }) => processes),
    'all of them the GPU’s where the instances are left out'
  )
})

t.test('a list that grows between two calls', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] })
  for (let pid = 1; pid <= 20; pid++) node.startClient({ gpu: 0, pid, name: `p${pid}`, follow: false })
  const call = 'nvmlDeviceGetComputeRunningProcesses_v3'
  const before = node.calls(call)
  // The call that has room for all is told once more that it has not.
  const grown = node.inject({ call, nth: 2, returns: 'INSUFFICIENT_SIZE' })
  const [gpu] = (await nvml.snapshot()).gpus
  t.same([grown.fired, node.calls(call) - before], [1, 3])
  t.same(
    gpu!.processes!.map(({ pid }) => pid),
    Array.from({ length: 20 }, (_, i) => i + 1)
  )
  grown.remove()
  const always = node.inject({ call, returns: 'INSUFFICIENT_SIZE' })
  t.match((await nvml.snapshot()).gpus[0], {
    processes: null,
    unavailable: { processes: { code: 'INSUFFICIENT_SIZE', status: 7, call } }
  })
  t.ok(always.fired < 10, 'but not for ever')
})

for (const [driver, version, form] of [
  ['450', '450', '_v2'],
  ['470', '470', '_v2'],
  ['525', '525', '_v2'],
  // Writes rows of 32 bytes into the third form.
  ['535.54.03', '535.54', '_v2'],
  ['535.104.12', '535.104', '_v3'],
  ['550', '550', '_v3'],
  ['570', '570', '_v3'],
  ['580', '580', '_v3']
] as const) {
  t.test(`driver ${driver}`, async t => {
    const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'], driver })
    t.ok(node.driver.startsWith(version))
    await nvml.gpu(0).setMigMode(true)
    const devices = [await nvml.gpu(0).create('3g.20gb'), await nvml.gpu(0).create('1g.5gb')]
    for (const [i, { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance }] of devices.entries()) {
      for (const j of [1, 2, 3])
        node.startClient({ gpu: 0, gpuInstance, computeInstance, pid: 10 * i + j, memoryMiB: 100 * j, follow: false })
    }
    for (const j of [1, 2]) node.startClient({ gpu: 1, pid: 90 + j, memoryMiB: j, kind: 'graphics', follow: false })
    const snapshot = await nvml.snapshot()
    const [first, second] = snapshot.gpus
    const seen = first!.migDevices!.map(({ gpuInstanceId, processes }) => [
      gpuInstanceId,
      processes!.map(({ pid, memoryMiB, gpuInstanceId: id }) => [pid, memoryMiB, id === gpuInstanceId])
    ])
    t.same(
      seen,
      devices.map(({ gpuInstanceId }, i) => [gpuInstanceId, [1, 2, 3].map(j => [10 * i + j, 100 * j, true])])
    )
    t.match(second!.processes, [
      { pid: 91, kind: 'graphics', memoryMiB: 1, gpuInstanceId: null },
      { pid: 92, kind: 'graphics', memoryMiB: 2, computeInstanceId: null }
    ])
    for (const each of ['', '_v2', '_v3'])
      t.equal(node.calls(`nvmlDeviceGetComputeRunningProcesses${each}`) > 0, each === form, `asked in form '${each}'`)
    t.equal(second!.temperatureCelsius, 33, 'as the A100 at rest was recorded')
    const lacking = (field: string) => second!.unavailable[field]?.code
    t.equal(lacking('memory.reservedMiB'), Number(version) < 510 ? 'FUNCTION_NOT_FOUND' : undefined)
    t.equal(lacking('utilization.jpegPercent'), Number(version) < 535 ? 'FUNCTION_NOT_FOUND' : undefined)
    t.strictSame(throughJson(snapshot), snapshot)
  })
}

t.test('without root’s rights, and in a container', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*2'] })
  await nvml.gpu(0).setMigMode(true)
  const mig = await nvml.gpu(0).create('3g.20gb')
  const other = await nvml.gpu(0).create('1g.5gb')
  for (const { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } of [mig, other])
    node.startClient({ gpu: 0, gpuInstance, computeInstance, memoryMiB: 50 })
  const box = await node.container({ devices: [{ gpu: 0, gpuInstance: mig.gpuInstanceId, computeInstance: 0 }] })
  const inside = await open({ library: box.library, root: box.root })
  t.teardown(() => inside.close())
  const [seen, denied] = (await inside.snapshot()).gpus
  t.match(seen, {
    gpuInstances: null,
    power: { usageMilliwatts: 49680 },
    unavailable: { gpuInstances: { code: 'NO_PERMISSION' } }
  })
  t.match(seen!.migDevices, [{ uuid: mig.uuid, memory: { totalMiB: 19968 }, processes: [{ memoryMiB: 50 }] }])
  t.equal(seen!.migDevices!.length, 1, 'its own alone')
  t.match(denied, { uuid: null, power: null, memory: null, processes: null, migDevices: null, clocks: null, pcie: null })
  t.same(Object.keys(denied!.unavailable), ['gpu'])
  t.equal(denied!.unavailable.gpu!.code, 'NO_PERMISSION')

  node.setPrivileged(false)
  const [gpu] = (await nvml.snapshot()).gpus
  t.match(gpu, { memory: null, bar1: null, gpuInstances: null, temperatureCelsius: 33 })
  t.match(gpu!.migDevices, [{ bar1: { totalMiB: 32767 }, processes: [{ memoryMiB: 50 }] }, { processes: [{ memoryMiB: 50 }] }])
})

t.test('one trip to the worker, however much is on the node', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB*8'] })
  for (const gpu of nvml.gpus) {
    await gpu.setMigMode(true)
    for (let i = 0; i < 7; i++) await gpu.create('1g.5gb')
  }
  const native = binding()
  let trips = 0
  const call: typeof native.call = (...args) => {
    trips++
    return native.call(...args)
  }
  const connection = await t.mockImport<typeof import('../lib/connection.js')>('../lib/connection.js', {
    '../lib/binding.js': { binding: () => Object.create(native, { call: { value: call } }) }
  })
  const counting = await t.mockImport<typeof import('../lib/session.js')>('../lib/session.js', {
    '../lib/connection.js': connection
  })
  const counted = await counting.open({ library: node.library })
  t.teardown(() => counted.close())
  const { gpus } = await counted.snapshot()
  t.equal(trips, 1)
  t.ok(gpus.every(({ migDevices }) => migDevices!.length === 7))
})

t.test('what can be left out', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30'] }, { mig: true })
  await nvml.gpu(0).create('1g.6gb')
  const readings = ['persistenceMode', 'computeMode', 'performanceState', 'power', 'temperatureCelsius', 'clocks']
  const FIELDS = {
    readings: [...readings, 'utilization', 'ecc', 'pcie'],
    profiles: ['profiles'],
    instances: ['gpuInstances', 'migDevices'],
    processes: ['processes']
  }
  const CALLS = {
    readings: 'nvmlDeviceGetPowerUsage',
    profiles: 'nvmlDeviceGetGpuInstanceRemainingCapacity',
    instances: 'nvmlGpuInstanceGetComputeInstances',
    processes: 'nvmlDeviceGetComputeRunningProcesses_v3'
  }
  const parts = Object.keys(FIELDS) as (keyof typeof FIELDS)[]
  const [whole] = (await nvml.snapshot()).gpus
  t.strictSame((await nvml.snapshot({ include: {} })).gpus[0], whole, 'nothing, if nothing is said')
  for (let chosen = 0; chosen < 16; chosen++) {
    const include = Object.fromEntries(parts.map((part, i) => [part, (chosen >> i) % 2 === 1]))
    const before = parts.map(part => node.calls(CALLS[part]))
    const [gpu] = (await nvml.snapshot({ include })).gpus
    const dropped = parts.filter(part => !include[part]).flatMap(part => FIELDS[part])
    t.same(
      Object.keys(whole!)
        .filter(field => !(field in gpu!))
        .sort(),
      dropped.sort(),
      JSON.stringify(include)
    )
    for (const [i, part] of parts.entries())
      t.equal(node.calls(CALLS[part]) > before[i]!, include[part], `${part} are asked for only then`)
    if (include.instances) {
      t.match(gpu!.gpuInstances, [{ profile: '1g.6gb', computeInstances: [{ profile: '1g.6gb' }] }], 'with names all the same')
      t.equal('processes' in gpu!.migDevices![0]!, include.processes)
    }
  }
  await t.rejects(nvml.snapshot({ include: { reading: false } } as object), {
    name: 'TypeError',
    message: "snapshot: include has no option 'reading'; did you mean 'readings'?"
  })
  await t.rejects(nvml.snapshot({ readings: false } as object), {
    name: 'TypeError',
    message: "snapshot has no option 'readings'; it has 'include'"
  })
  await t.rejects(nvml.snapshot({ include: { readings: 1 } } as object), {
    name: 'TypeError',
    message: 'snapshot: include.readings is true or false, not 1'
  })
})
