/**
 * The recorded runs of real boards, replayed through the library on a simulated node of the same
 * board. Each test is named after its transcript; the driver release a node plays is written here,
 * because a record often names only an era.
 */
import t, { type Test } from 'tap'
import type { Gpu, GpuInstance, GpuInstanceProfile } from '../lib/index.js'
import { create, profileById } from './facts/replay.js'
import {
  computeInstanceProfiles,
  computeInstances,
  gpuInstanceProfiles,
  gpuInstances,
  type ProfileRow,
  possiblePlacements,
  transcript,
  transcripts
} from './facts/transcripts.js'
import { openNode } from './helpers/node.js'

/** What the recorded row and the library's profile both say, in the record's terms. */
function row(profile: GpuInstanceProfile): Omit<ProfileRow, 'memoryGiB' | 'free'> {
  const { name, id, maxInstances, multiprocessors, engines } = profile
  return {
    name,
    id,
    total: maxInstances,
    multiprocessors,
    decoder: engines.decoder,
    encoder: engines.encoder,
    copy: engines.copy,
    jpeg: engines.jpeg,
    opticalFlow: engines.opticalFlow
  }
}

/** A listing against the library: the same profiles with the same figures, free counts included. */
async function sameListing(t: Test, gpu: Gpu, output: string, cut: boolean) {
  const rows = gpuInstanceProfiles(output)
  const all = await gpu.profiles()
  const profiles = cut ? all.filter(({ id }) => rows.some(row => row.id === id)) : all
  t.ok(rows.length > 0, 'the record has rows')
  t.same(
    profiles.map(row).sort((a, b) => b.id - a.id),
    rows.map(({ memoryGiB: _, free: __, ...rest }) => rest).sort((a, b) => b.id - a.id)
  )
  for (const { id, memoryGiB, free } of rows) {
    const profile = profiles.find(entry => entry.id === id)
    // nvidia-smi prints GiB with two decimals; the driver counts in steps of 64 MiB.
    t.equal(profile?.memoryMiB, Math.round((memoryGiB * 1024) / 64) * 64, `memory of profile ${id}`)
    t.equal(profile?.remaining, free, `free count of profile ${id}`)
  }
}

const LISTINGS: [id: string, driver: string, map: 'straight' | 'swapped', create: number[], variant?: string][] = [
  ['guide-a100-lgip', '550', 'straight', []],
  ['a100-40-lgip-empty', '560', 'swapped', []],
  ['a100-40-cgi-4g', '560', 'swapped', [5]],
  ['a100-40-cgi-4g-2g', '560', 'swapped', [5, 14]],
  ['a100-40-cgi-4g-2g-1g', '560', 'swapped', [5, 14, 19]],
  ['a100-80-lgip-515', '515.86.01', 'straight', []],
  ['a30-lgip', '535.183.01', 'straight', []],
  ['a30-lgip-470', '470', 'straight', [14, 14, 14, 14]],
  ['h100sxm-lgip', '560', 'straight', []],
  ['a100-r460-lgip', '460', 'straight', []],
  ['a100pcie40-lgip-510', '510.47.03', 'straight', []],
  ['h100pcie-lgip', '570.169', 'straight', []],
  ['h100nvl-lgip-550', '550.127.06', 'straight', []],
  ['h100nvl-lgip-r550gpl', '550', 'straight', [], 'mid-2024'],
  ['gh200-lgip', '550', 'straight', []],
  ['gh200-144-lgip', '560', 'straight', []],
  ['h200-lgip', '560', 'straight', []],
  ['b200-lgip-570a', '570', 'straight', [], '2025-01'],
  ['b200-lgip-570b', '570', 'straight', []],
  ['gb200-lgip-a', '570', 'straight', [], '1g.24gb'],
  ['gb200-lgip-b', '580', 'straight', []],
  ['rtx6000-lgip', '580', 'straight', []]
]

/** Listings whose stored copy ends before the last profiles. */
const CUT = [
  'h100nvl-lgip-r550gpl',
  'gh200-144-lgip',
  'h200-lgip',
  'b200-lgip-570a',
  'b200-lgip-570b',
  'gb200-lgip-a',
  'gb200-lgip-b'
]

t.test('profile listings (-lgip) and instance listings (-lgi)', async t => {
  for (const [id, driver, giNumbering, before, variant] of LISTINGS) {
    await t.test(id, async t => {
      const { model, output } = transcript(id)
      const board = { model, giNumbering, ...(variant !== undefined && { variant }) }
      const { nvml } = await openNode(t, { gpus: [board], driver, fill: 'derived' }, { mig: true })
      const gpu = nvml.gpu(0)
      for (const profileId of before) await create(gpu, profileId)
      await sameListing(t, gpu, output, CUT.includes(id))
      const listed = gpuInstances(output)
      if (listed.length) {
        const live = (await gpu.instances()).map(({ id, profileId, placement }) => ({ gpu: 0, profileId, id, ...placement }))
        const byId = (a: { id: number }, b: { id: number }) => a.id - b.id
        t.same(live.sort(byId), listed.sort(byId))
      }
    })
  }
})

t.test('possible placements (-lgipp)', async t => {
  for (const [id, driver] of [
    ['guide-a100-lgipp', '550'],
    ['a30-lgip', '535.183.01'],
    ['h100-8gpu-7x1g', '550'],
    ['a100-r460-lgip', '460'],
    ['rtx6000-lgipp', '580']
  ] as const) {
    await t.test(id, async t => {
      const { model, output } = transcript(id)
      const { nvml } = await openNode(t, { gpus: [model], driver, fill: 'derived' }, { mig: true })
      const rows = possiblePlacements(output)
      t.ok(rows.length > 0, 'the record has rows')
      for (const { id: profileId, starts, size } of rows) {
        const { name } = await profileById(nvml.gpu(0), profileId)
        const { possible } = await nvml.gpu(0).placements(name)
        t.same(
          possible,
          starts.map(start => ({ start, size })),
          name
        )
      }
    })
  }
})

/** The compute-instance profiles of one GPU instance, in the record's terms. */
async function computeRows(instance: GpuInstance) {
  return (await instance.profiles()).map(({ name, id, remaining, maxInstances, multiprocessors, engines }) => ({
    gpuInstance: instance.id,
    name,
    id,
    free: remaining,
    total: maxInstances,
    multiprocessors,
    decoder: engines.decoder,
    encoder: engines.encoder,
    opticalFlow: engines.opticalFlow,
    copy: engines.copy,
    jpeg: engines.jpeg
  }))
}

t.test('compute-instance profiles (-lcip) and placements (-lci)', async t => {
  await t.test('a100-40-lcip-4g', async t => {
    const { model, output } = transcript('a100-40-lcip-4g')
    const { nvml } = await openNode(t, { gpus: [{ model, giNumbering: 'swapped' }], driver: '560' }, { mig: true })
    t.same(await computeRows(await nvml.gpu(0).createGpuInstance('4g.20gb')), computeInstanceProfiles(output)[0])
  })

  await t.test('a100-40-lcip-2g-steps', async t => {
    const { model, output } = transcript('a100-40-lcip-2g-steps')
    const { nvml } = await openNode(t, { gpus: [{ model, giNumbering: 'swapped' }], driver: '560' }, { mig: true })
    const gpu = nvml.gpu(0)
    await gpu.createGpuInstance('4g.20gb')
    const instance = await gpu.createGpuInstance('2g.10gb')
    const tables = computeInstanceProfiles(output)
    t.equal(tables.length, 3)
    t.same(await computeRows(instance), tables[0])
    t.equal((await instance.createComputeInstance('1c.2g.10gb')).id, 0)
    t.same(await computeRows(instance), tables[1])
    // The record prints id 0 twice; its note calls that a copy slip, every other source counts on.
    t.equal((await instance.createComputeInstance('1c.2g.10gb')).id, 1)
    t.same(await computeRows(instance), tables[2])
  })

  await t.test('a100-80-lcip', async t => {
    const { model, output } = transcript('a100-80-lcip')
    const { nvml } = await openNode(t, { gpus: [{ model, giNumbering: 'swapped' }], driver: '550.54.14' }, { mig: true })
    const gpu = nvml.gpu(0)
    const four = await gpu.createGpuInstance('4g.40gb')
    const three = await gpu.createGpuInstance('3g.40gb')
    t.same([...(await computeRows(three)), ...(await computeRows(four))], computeInstanceProfiles(output)[0])
  })

  await t.test('a30-lcip', async t => {
    const { model, output } = transcript('a30-lcip')
    const { nvml } = await openNode(t, { gpus: [model], driver: '535.183.01' }, { mig: true })
    const gpu = nvml.gpu(0)
    const [two, one] = computeInstanceProfiles(output)
    // GPU instance 2 is a 2g at 2, GPU instance 3 a 1g at 0; each holds its full-size compute instance.
    const larger = await gpu.createGpuInstance('2g.12gb', { start: 2 })
    const smaller = await gpu.createGpuInstance('1g.6gb', { start: 0 })
    await larger.createComputeInstance()
    await smaller.createComputeInstance()
    t.same(await computeRows(larger), two)
    t.same(await computeRows(smaller), one)
  })

  await t.test('a100-40-cci-1c-x3-lci', async t => {
    const { model, output } = transcript('a100-40-cci-1c-x3-lci')
    const { nvml } = await openNode(t, { gpus: [model], driver: '510.47.03' }, { mig: true })
    const gpu = nvml.gpu(0)
    const second = await gpu.createGpuInstance('3g.20gb', { start: 4 })
    const first = await gpu.createGpuInstance('3g.20gb', { start: 0 })
    t.same(await computeRows(second), computeInstanceProfiles(output)[0])
    await first.createComputeInstance()
    for (let i = 0; i < 3; i++) await second.createComputeInstance('1c.3g.20gb')
    const live = []
    for (const instance of [first, second]) {
      for (const { id, profileId, placement } of await instance.computeInstances())
        live.push({ gpuInstance: instance.id, profileId, id, ...placement })
    }
    t.same(live, computeInstances(output))
  })

  await t.test('h100sxm-cci-default', async t => {
    const { model, output } = transcript('h100sxm-cci-default')
    const { nvml } = await openNode(t, { gpus: [model], driver: '560' }, { mig: true })
    const gpu = nvml.gpu(0)
    const two = await gpu.createGpuInstance('2g.20gb', { start: 0 })
    const three = await gpu.createGpuInstance('3g.40gb', { start: 4 })
    const live = []
    for (const instance of [two, three]) {
      const { id, profileId, placement } = await instance.createComputeInstance()
      live.push({ gpuInstance: instance.id, profileId, id, ...placement })
    }
    t.same(live, computeInstances(output))
  })
})

t.test('every -lgip and -lgipp that can be read is compared', async t => {
  // The rows of an H20 stand between other output, in a test of their own.
  const aside = ['h20-partial']
  const compared = new Set(LISTINGS.map(([id]) => id))
  const listed = transcripts.filter(({ id, output }) => gpuInstanceProfiles(output).length > 0 && !aside.includes(id))
  t.same(
    listed.filter(({ id }) => !compared.has(id)).map(({ id }) => id),
    []
  )
})

t.test('RTX PRO 6000: four compute instances (-lci)', async t => {
  const { model, output } = transcript('rtx6000-lci')
  const { nvml } = await openNode(t, { gpus: [model], driver: '580', fill: 'derived' }, { mig: true })
  const gpu = nvml.gpu(0)
  for (let i = 0; i < 4; i++) await gpu.create('1g.24gb')
  const live = []
  for (const instance of await gpu.instances()) {
    for (const { id, profileId, placement } of await instance.computeInstances())
      live.push({ gpuInstance: instance.id, profileId, id, ...placement })
  }
  t.same(live, computeInstances(output))
})

t.test('the MIG devices table of the A100 guide', async t => {
  // One 3g.20gb and four 1g.5gb on a swapped board of driver 510, the 3g first: GI 1, then 11 to 14.
  const { nvml } = await openNode(
    t,
    { gpus: [{ model: 'A100-SXM4-40GB', giNumbering: 'swapped' }], driver: '510' },
    { mig: true }
  )
  const gpu = nvml.gpu(0)
  await gpu.create('3g.20gb')
  for (let i = 0; i < 4; i++) await gpu.create('1g.5gb')
  const small = (index: number, gpuInstanceId: number) => ({
    index,
    gpuInstanceId,
    computeInstanceId: 0,
    multiprocessors: 14,
    memoryMiB: 4864,
    engines: { copy: 1, decoder: 0, encoder: 0, jpeg: 0, opticalFlow: 0 }
  })
  const devices = (await gpu.devices()).map(
    ({ index, gpuInstanceId, computeInstanceId, multiprocessors, memoryMiB, engines }) => ({
      index,
      gpuInstanceId,
      computeInstanceId,
      multiprocessors,
      memoryMiB,
      engines
    })
  )
  t.same(devices, [
    {
      index: 0,
      gpuInstanceId: 1,
      computeInstanceId: 0,
      multiprocessors: 42,
      memoryMiB: 20096,
      engines: { copy: 3, decoder: 2, encoder: 0, jpeg: 0, opticalFlow: 0 }
    },
    small(1, 11),
    small(2, 12),
    small(3, 13),
    small(4, 14)
  ])
})
