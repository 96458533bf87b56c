/** What a snapshot showed of a running node, on the node that is made of it. */
import t from 'tap'
import type { Snapshot } from '../../lib/index.js'
import { checkSnapshot } from '../../lib/simulator/check-snapshot.js'
import { compareWithRows, simulate } from '../../lib/simulator/index.js'
import { fillWithInstances, onNode, replayed, roundTrip, snapshotFrom, throughJson } from '../helpers/snapshots.js'

const READINGS = {
  ...{ powerMilliwatts: 101_001, powerLimitMilliwatts: 150_002, powerDefaultLimitMilliwatts: 165_003 },
  ...{ temperatureCelsius: 61, performanceState: 2, persistenceMode: false, computeMode: 3 },
  ...{ graphicsClockMHz: 901, smClockMHz: 902, memoryClockMHz: 903, videoClockMHz: 904 },
  ...{ maxGraphicsClockMHz: 1901, maxSmClockMHz: 1902, maxMemoryClockMHz: 1903, maxVideoClockMHz: 1904 },
  ...{ gpuUtilizationPercent: 91, memoryUtilizationPercent: 52, encoderUtilizationPercent: 13 },
  ...{ decoderUtilizationPercent: 24, jpegUtilizationPercent: 35, ofaUtilizationPercent: 46 },
  ...{ eccEnabled: true, eccPendingEnabled: false, eccVolatileCorrectedDram: 3, eccVolatileUncorrectedSram: 20 },
  ...{ eccAggregateCorrectedDram: 2 ** 40, eccAggregateUncorrectedSram: 40 },
  ...{ pcieGeneration: 3, pcieMaxGeneration: 5, pcieWidth: 8, pcieMaxWidth: 4, pcieReplays: 77 },
  ...{ idleMemoryMiB: 25, memoryReservedMiB: 500 }
}

t.test('readings are played again', async t => {
  const busy = await snapshotFrom({ gpus: [{ model: 'A30', readings: READINGS }, 'A30'] })
  t.match(busy.gpus[0], { temperatureCelsius: 61, ecc: { volatileUncorrected: 20 }, memory: { usedMiB: 25, reservedMiB: 500 } })
  await roundTrip(t, 'with MIG off', busy)
  const full = await snapshotFrom({ gpus: [{ model: 'A30', readings: READINGS }] }, nvml => fillWithInstances(nvml.gpu(0)))
  await roundTrip(t, 'with instances', full)
  const none = Object.fromEntries(Object.keys(READINGS).map(name => [name, null]))
  await roundTrip(t, 'a board that has none', await snapshotFrom({ gpus: [{ model: 'A30', readings: none }] }))
})

t.test('what MIG mode hides is as the row has it', async t => {
  const from = await snapshotFrom({ gpus: [{ model: 'A30', readings: READINGS }] }, nvml => nvml.gpu(0).setMigMode(true))
  const node = await simulate({ from })
  t.teardown(() => node.close())
  const { gpus } = await onNode(node, async nvml => {
    await nvml.gpu(0).setMigMode(false)
    return await nvml.snapshot()
  })
  t.match(gpus[0], { utilization: { gpuPercent: 0 }, ecc: { volatileCorrected: 0, enabled: true }, computeMode: 'default' })
  t.match(gpus[0], { temperatureCelsius: 61, ecc: { aggregateCorrected: 2 ** 40 } }, 'the rest as it was')
})

t.test('processes are not, and the memory they had is free', async t => {
  const from = await snapshotFrom({ gpus: ['A30*2'] }, async (nvml, node) => {
    await nvml.gpu(0).setMigMode(true)
    const { gpuInstanceId: gpuInstance, computeInstanceId: computeInstance } = await nvml.gpu(0).create('2g.12gb')
    node.startClient({ gpu: 0, gpuInstance, computeInstance, memoryMiB: 1000 })
    node.startClient({ gpu: 1, memoryMiB: 2000 })
  })
  const { gpus } = await replayed(from)
  t.same([gpus[0]!.migDevices![0]!.processes, gpus[1]!.processes], [[], []])
  t.equal(gpus[0]!.migDevices![0]!.memory!.usedMiB, from.gpus[0]!.migDevices![0]!.memory!.usedMiB! - 1000)
  t.equal(gpus[1]!.memory!.usedMiB, from.gpus[1]!.memory!.usedMiB - 2000)
})

/** As versions wrote it that read neither readings nor processes. */
function older(snapshot: Snapshot): Snapshot {
  const { gpus, ...rest } = throughJson(snapshot)
  const gone =
    'memory bar1 persistenceMode computeMode performanceState power temperatureCelsius clocks utilization ecc pcie processes'
  const without = (value: object): object =>
    Object.fromEntries(Object.entries(value).filter(([name]) => !gone.split(' ').includes(name)))
  return {
    ...rest,
    gpus: gpus.map(gpu => ({
      ...without(gpu),
      memoryTotalMiB: gpu.memory!.totalMiB,
      bar1TotalMiB: gpu.bar1!.totalMiB,
      migDevices: gpu.migDevices!.map(device => ({ ...without(device), memoryMiB: device.memory!.totalMiB }))
    }))
  } as unknown as Snapshot
}

t.test('an older snapshot', async t => {
  const snapshot = await snapshotFrom({ gpus: ['A30*2'] }, nvml => fillWithInstances(nvml.gpu(0)))
  const { gpus } = await replayed(older(snapshot))
  t.equal(gpus[0]!.memory!.totalMiB, 24576)
  const node = await simulate({ from: older(snapshot) })
  t.teardown(() => node.close())
  t.strictSame(await onNode(node, nvml => nvml.snapshot()), snapshot, 'of a node at rest says enough')
  t.ok(compareWithRows(older(snapshot)).equal)
})

t.test('readings that nobody can have are refused', async t => {
  const sound = await snapshotFrom({ gpus: ['A30'] })
  for (const [change, message] of [
    [{ power: { ...sound.gpus[0]!.power, usageMilliwatts: -1 } }, '.power.usageMilliwatts is a whole number from 0 on, not -1'],
    [
      { utilization: { ...sound.gpus[0]!.utilization, gpuPercent: 101 } },
      '.utilization.gpuPercent is a whole number from 0 to 100, not 101'
    ],
    [{ ecc: { ...sound.gpus[0]!.ecc, enabled: 1 } }, '.ecc.enabled is true or false, not 1'],
    [{ computeMode: 'fast' }, ".computeMode is a name such as 'default', or NVML's number as text, not 'fast'"],
    [{ performanceState: 16 }, '.performanceState is a whole number from 0 to 15, not 16'],
    [{ clocks: 'high' }, ".clocks is an object, not 'high'"],
    [{ memory: { totalMiB: 1 } }, '.memory.freeMiB is a whole number from 0 on, not undefined'],
    [{ processes: [{ pid: 1, kind: 'other' }] }, ".processes[0].kind is 'compute', 'graphics' or 'mps', not 'other'"]
  ] as const) {
    const changed = { ...sound, gpus: [{ ...sound.gpus[0]!, ...change }] }
    t.throws(() => checkSnapshot('from', changed), { message: `from.gpus[0]${message}` })
  }
})
