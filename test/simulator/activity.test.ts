/** What keeps a GPU busy, as another process reads it through GPM (native/tests/image/gpm_metrics.cc). */
import t, { type Test } from 'tap'
import type { Activity, SimulatedNode } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { Programs } from '../image/programs.js'

t.setTimeout(5 * 60_000)
const programs = await Programs.begin(t)
await programs.build(['plain/gpm_metrics'])

/** NVML_GPM_METRIC_* of NVML's header, by our names. */
const IDS: Readonly<Record<keyof Activity, number>> = {
  graphicsUtilizationPercent: 1,
  smUtilizationPercent: 2,
  smOccupancyPercent: 3,
  integerUtilizationPercent: 4,
  tensorUtilizationPercent: 5,
  dfmaTensorUtilizationPercent: 6,
  hmmaTensorUtilizationPercent: 7,
  immaTensorUtilizationPercent: 9,
  dramBandwidthUtilizationPercent: 10,
  fp64UtilizationPercent: 11,
  fp32UtilizationPercent: 12,
  fp16UtilizationPercent: 13,
  pcieTransmitMiBPerSecond: 20,
  pcieReceiveMiBPerSecond: 21,
  decoder0UtilizationPercent: 30,
  jpeg0UtilizationPercent: 40
}

/** What a client measures between two samples, by the id of the metric. */
async function measure(t: Test, node: SimulatedNode, gpuInstance?: number): Promise<Map<number, number>> {
  const modes = gpuInstance === undefined ? [] : [String(gpuInstance)]
  const { code, stdout, stderr } = await programs.start(t, 'plain/gpm_metrics', { file: node.library, modes })
  t.equal(code, 0, stderr)
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map(line => line.split(' ').map(Number) as [number, number])
  )
}

const idle = new Map(Object.values(IDS).map(id => [id, 0]))

t.test('each rate is the metric that its comment says, of the GPU or of one instance', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['H100-SXM5-80GB'] }, { mig: true })
  const busy = await nvml.gpu(0).create('1g.10gb')
  const other = await nvml.gpu(0).create('1g.10gb')
  const names = Object.keys(IDS) as (keyof Activity)[]
  const activity = Object.fromEntries(names.map((name, i) => [name, 3.25 * (i + 1)])) as Activity
  node.setActivity(0, { gpuInstance: busy.gpuInstanceId, ...activity })
  t.same(await measure(t, node, busy.gpuInstanceId), new Map(names.map(name => [IDS[name], activity[name]])))
  t.same(await measure(t, node, other.gpuInstanceId), idle)
  t.same(await measure(t, node), idle)
  node.setActivity(0, { pcieReceiveMiBPerSecond: 51_234.5 })
  t.equal((await measure(t, node)).get(21), 51_234.5)

  node.setActivity(0, { gpuInstance: busy.gpuInstanceId, smUtilizationPercent: null, fp64UtilizationPercent: 0 })
  const after = await measure(t, node, busy.gpuInstanceId)
  t.match([after.get(2), after.get(11), after.get(3)], [0, 0, activity.smOccupancyPercent])

  const { gpuInstanceId, placement } = busy
  await busy.destroy()
  const anew = await nvml.gpu(0).createGpuInstance('1g.10gb', { start: placement!.start })
  t.equal(anew.id, gpuInstanceId)
  t.same(await measure(t, node, gpuInstanceId), idle, 'an instance begins idle')
})

t.test('what cannot be is a sentence, and nothing changes', async t => {
  const { node } = await openNode(t, { gpus: ['H100-SXM5-80GB', 'A100-SXM4-40GB'] })
  node.setActivity(0, { smUtilizationPercent: 12.5 })
  const cases: [use: () => unknown, error: { name?: string; code?: string; message: string }][] = [
    [
      () => node.setActivity(1, { smUtilizationPercent: 40 }),
      { code: 'NOT_SUPPORTED', message: 'GPU 1 has no GPM: Hopper has it and what came after, but not in a vGPU guest.' }
    ],
    [
      () => node.setActivity(0, { gpuInstance: 3, smUtilizationPercent: 40 }),
      { code: 'NOT_FOUND', message: 'GPU 0 has no GPU instance 3.' }
    ],
    [
      () => node.setActivity(0, { fp16UtilizationPercent: 40, smUtilizationPercent: 101 }),
      { name: 'RangeError', message: 'setActivity: smUtilizationPercent is a number from 0 to 100, or null, not 101' }
    ],
    [
      () => node.setActivity(0, { pcieTransmitMiBPerSecond: Number.POSITIVE_INFINITY }),
      { name: 'RangeError', message: 'setActivity: pcieTransmitMiBPerSecond is a number from 0 on, or null, not Infinity' }
    ],
    [
      // @ts-expect-error no such rate
      () => node.setActivity(0, { smUtilisationPercent: 1 }),
      { name: 'TypeError', message: "setActivity has no option 'smUtilisationPercent'; did you mean 'smUtilizationPercent'?" }
    ],
    [() => node.setActivity(2, {}), { name: 'RangeError', message: 'setActivity: there is no GPU 2; this node has GPUs 0 to 1' }]
  ]
  for (const [use, error] of cases) t.throws(use, error)
  t.same(await measure(t, node), new Map([...idle, [2, 12.5]]))
})
