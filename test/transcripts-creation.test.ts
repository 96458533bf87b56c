/**
 * Recorded creations of GPU instances, replayed on a simulated node of the same board: which id came out, what was
 * refused, how many more would have fitted. The driver release a node plays is written here, because a record often
 * names only an era.
 */
import t from 'tap'
import { create, profileById } from './facts/replay.js'
import { gpuInstances, transcript, transcripts } from './facts/transcripts.js'
import { openNode } from './helpers/node.js'

/** The release each recorded creation sequence is replayed on. */
const SEQUENCES: Record<string, string> = {
  'guide-a100-cgi-9-9': '450',
  'guide-a100-cgi-4-2-1': '550',
  'guide-a100-cgi-fail-order': '550',
  'guide-a100-cgi-3-1-2-1': '550',
  'a100-40-cgi-4g': '560',
  'a100-40-cgi-4g-2g': '560',
  'a100-40-cgi-4g-2g-1g': '560',
  'a100-80-cgi-2-2-1': '550.54.14',
  'a100-80-cgi-7x1g-swapped': '515.86.01',
  'a100-80-cgi-3-3-swapped': '515.86.01',
  'cgi-3-3-then-1': '550',
  'h100-cgi-3-3': '580',
  'h100-8gpu-7x1g': '550',
  'h100nvl-cgi-7x1g': '550.127.06',
  'gh200-cgi-7x1g': '550',
  'a100-r460-cgi-7x1g': '460',
  'rtx6000-cgi-4x1g': '580',
  'rtx6000mq-cgi': '580.105.08'
}

const code = (error: unknown) => (error as { code?: string }).code

t.test('creation sequences', async t => {
  t.same(
    transcripts
      .filter(entry => entry.check)
      .map(entry => entry.id)
      .sort(),
    Object.keys(SEQUENCES).sort(),
    'every recorded sequence is replayed'
  )
  for (const [id, driver] of Object.entries(SEQUENCES)) {
    await t.test(id, async t => {
      const { model, check } = transcript(id)
      if (!check) throw new Error(`${id} has no sequence`)
      const { nvml } = await openNode(t, { gpus: [{ model, giNumbering: check.map }], driver, fill: 'derived' }, { mig: true })
      const gpu = nvml.gpu(0)
      for (const [profileId, expected] of check.start)
        t.equal((await create(gpu, profileId)).id, expected, 'the state the record starts from')
      const outcomes: (number | string)[] = []
      for (const [profileId] of check.seq) {
        outcomes.push(
          await create(gpu, profileId).then(
            made => made.id,
            error => (code(error) === 'INSUFFICIENT_RESOURCES' ? 'INSUFFICIENT' : `${code(error)}`)
          )
        )
      }
      const recorded = check.seq.map(([, outcome]) => outcome)
      if (check.expect_rule) t.same(outcomes, recorded)
      else t.notSame(outcomes, recorded, 'the one record that the placement rule does not fit')
      for (const [profileId, free] of Object.entries(check.free ?? {})) {
        t.equal((await profileById(gpu, Number(profileId))).remaining, free, `free count of profile ${profileId}`)
      }
    })
  }
})

t.test('h20-partial: the last two 1g of seven', async t => {
  const { model, output } = transcript('h20-partial')
  const { nvml } = await openNode(
    t,
    { gpus: [{ model, giNumbering: 'swapped' }], driver: '535.247.01', fill: 'derived' },
    { mig: true }
  )
  const gpu = nvml.gpu(0)
  for (let i = 0; i < 5; i++) await create(gpu, 19)
  for (const [id, free, mebibytes] of [
    [19, 2, 12032],
    [20, 1, 12032]
  ] as const) {
    const { remaining, maxInstances, memoryMiB, multiprocessors } = await profileById(gpu, id)
    t.same([remaining, memoryMiB, multiprocessors], [free, mebibytes, 8])
    t.match(output, `${remaining}/${maxInstances} ${memoryMiB! / 1024} No ${multiprocessors} `)
  }
  t.equal((await create(gpu, 19)).id, 13)
  t.equal((await create(gpu, 19)).id, 14)
})

t.test('h100nvl-lgi-mix', async t => {
  const { model, output } = transcript('h100nvl-lgi-mix')
  const { nvml } = await openNode(t, { gpus: [model], driver: '550' }, { mig: true })
  const listed = gpuInstances(output)
  t.equal(listed.length, 4)
  for (const { profileId, id, start } of listed) {
    const { name } = await profileById(nvml.gpu(0), profileId)
    t.equal((await nvml.gpu(0).createGpuInstance(name, { start })).id, id, `${name} at ${start}`)
  }
})

t.test('gh200-cgi-me-full: a second +me instance', async t => {
  const { model } = transcript('gh200-cgi-me-full')
  const { nvml } = await openNode(t, { gpus: [model], driver: '550', fill: 'derived' }, { mig: true })
  await create(nvml.gpu(0), 20)
  await t.rejects(create(nvml.gpu(0), 20), { code: 'INSUFFICIENT_RESOURCES' })
})

t.test('dcgm138-two-maps: one driver, two boards, two numberings', async t => {
  const { model, output } = transcript('dcgm138-two-maps')
  const { nvml } = await openNode(t, { gpus: [model, { model, giNumbering: 'swapped' }], driver: '535' }, { mig: true })
  for (const { gpu, profileId, id, start } of gpuInstances(output)) {
    const { name } = await profileById(nvml.gpu(gpu), profileId)
    t.equal((await nvml.gpu(gpu).createGpuInstance(name, { start })).id, id, `${name} at ${start} of GPU ${gpu}`)
  }
})
