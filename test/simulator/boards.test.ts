/**
 * The board rows against recorded listings (test/facts), figure by figure, each as the release that was
 * recorded would show it; and against the rules that no row may break.
 */
import t from 'tap'
import { findBoard, models, underDriver } from '../../lib/simulator/boards.js'
import { boards } from '../../lib/simulator/data.js'
import { findRelease } from '../../lib/simulator/releases.js'
import {
  computeInstanceProfiles,
  computeInstances,
  gpuInstanceProfiles,
  possiblePlacements,
  transcript
} from '../facts/transcripts.js'
import { listings } from './listings.js'

const board = (model: string, driver: string) => underDriver(findBoard(model), findRelease(driver))

const output = (id: string) => listings[id] ?? transcript(id).output

/** Listings, and a release of the range each was recorded on. The A100-PCIE-40GB has its SXM sibling's rows. */
const LISTINGS: [id: string, model: string, driver: string][] = [
  ['a100-r460-lgip', 'A100-SXM4-40GB', '460'],
  ['a100pcie40-lgip-510', 'A100-SXM4-40GB', '510.47.03'],
  ['guide-a100-lgip', 'A100-SXM4-40GB', '550'],
  ['a100-40-lgip-empty', 'A100-SXM4-40GB', '560'],
  ['a100-80-lgip-515', 'A100-PCIE-80GB', '515.86.01'],
  ['a30-lgip-470', 'A30', '470'],
  ['a30-lgip', 'A30', '535.183.01'],
  ['h100sxm-lgip', 'H100-SXM5-80GB', '560']
]

for (const [id, model, driver] of LISTINGS) {
  t.test(`${id}: profiles of ${model} on ${driver}`, async t => {
    const { profiles } = board(model, driver)
    const listed = gpuInstanceProfiles(output(id))
    t.same(
      profiles.map(({ name, id, instances, multiprocessors, engines }) => ({
        name,
        id,
        total: instances,
        multiprocessors,
        decoder: engines.decoders,
        encoder: engines.encoders,
        copy: engines.copyEngines,
        jpeg: engines.jpegs,
        opticalFlow: engines.ofas
      })),
      listed.map(({ free, memoryGiB, ...row }) => row)
    )
    for (const [i, { memoryMiB, name }] of profiles.entries()) {
      t.equal(memoryMiB % 64, 0, `${name}: a multiple of 64 MiB`)
      const apart = Math.abs(memoryMiB / 1024 - listed[i]!.memoryGiB)
      t.ok(apart < 0.0101, `${name}: ${memoryMiB} MiB is printed as ${listed[i]!.memoryGiB} GiB`)
    }
    t.ok(
      profiles.every(({ p2p }) => !p2p),
      'P2P No on every row'
    )
  })
}

const PLACEMENTS: [id: string, model: string, driver: string][] = [
  ['a100-r460-lgip', 'A100-SXM4-40GB', '460'],
  ['guide-a100-lgipp', 'A100-SXM4-40GB', '550'],
  ['a30-lgip', 'A30', '535.183.01'],
  ['h100-8gpu-7x1g', 'H100-SXM5-80GB', '550']
]

for (const [id, model, driver] of PLACEMENTS) {
  t.test(`${id}: placements of ${model} on ${driver}`, async t => {
    const { profiles } = board(model, driver)
    t.same(
      profiles.map(({ id, starts, memorySlices }) => ({ id, starts, size: memorySlices })),
      possiblePlacements(output(id))
    )
  })
}

const COMPUTE: [id: string, model: string, driver: string, gpuInstances: string[]][] = [
  ['a100-80-lcip', 'A100-SXM4-80GB', '550.54.14', ['3g.40gb', '4g.40gb']],
  ['a100-40-lcip-4g', 'A100-SXM4-40GB', '560', ['4g.20gb']],
  ['a100-40-lcip-2g-steps', 'A100-SXM4-40GB', '560', ['2g.10gb']],
  ['a30-lcip', 'A30', '535.183.01', ['2g.12gb', '1g.6gb']]
]

for (const [id, model, driver, names] of COMPUTE) {
  t.test(`${id}: compute-instance profiles of ${names.join(' and ')} on ${model}`, async t => {
    const wanted = computeInstanceProfiles(transcript(id).output).flat()
    for (const name of names) {
      const profile = board(model, driver).profiles.find(row => row.name === name)!
      const listed = wanted.filter(row => row.name.endsWith(name))
      t.same(
        profile.computeInstances.map(row => [row.name, row.id, row.instances, row.multiprocessors]),
        listed.slice(0, profile.computeInstances.length).map(row => [row.name, row.id, row.total, row.multiprocessors])
      )
      for (const row of listed) {
        t.match(profile.engines, {
          copyEngines: row.copy,
          decoders: row.decoder,
          encoders: row.encoder,
          jpegs: row.jpeg,
          ofas: row.opticalFlow
        })
      }
    }
  })
}

t.test('h100sxm-cci-default: full compute instances of 2g and 3g take 2 and 4 slots', async t => {
  const { profiles } = board('H100-SXM5-80GB', '560')
  const listed = computeInstances(transcript('h100sxm-cci-default').output)
  t.equal(listed.length, 2)
  for (const { profileId, start, size } of listed) {
    const found = profiles.flatMap(row => row.computeInstances).find(row => row.id === profileId && !row.name.includes('c.'))!
    t.same([found.starts, found.size], [[start], size], found.name)
  }
})

t.test('a double-memory 1g has compute profile 7 on H100 and 0 on A100', async t => {
  // H100: h100-cgi-15 in section 5.3 of the behaviour notes; A100: never printed by an -lcip.
  const compute = (model: string) =>
    board(model, '550')
      .profiles.find(({ id }) => id === 15)
      ?.computeInstances.map(({ id }) => id)
  t.same(compute('H100-SXM5-80GB'), [7])
  t.same(compute('A100-SXM4-40GB'), [0])
})

t.test('what a driver release changes', async t => {
  t.equal(board('A100-SXM4-40GB', '450').identity.memoryTotalMiB, 40537, 'recorded on 450.80.02')
  t.equal(board('A100-SXM4-40GB', '460').identity.memoryTotalMiB, 40960)
  t.equal(board('A100-SXM4-40GB', '460').identity.name, 'A100-SXM4-40GB', 'alcf-r450-cgi-9-9')
  t.equal(board('A100-SXM4-40GB', '470').identity.name, 'NVIDIA A100-SXM4-40GB')

  const memory = (model: string, driver: string, name: string) =>
    board(model, driver).profiles.find(row => row.name === name)?.memoryMiB
  t.equal(memory('H100-SXM5-80GB', '535', '3g.40gb'), 40320, 'node label of an R535')
  t.equal(memory('H100-SXM5-80GB', '550', '3g.40gb'), 40448)
  t.equal(memory('A100-SXM4-40GB', '515', '3g.20gb'), 20096)
  t.equal(memory('A100-SXM4-40GB', '520', '3g.20gb'), 19968)
  t.equal(memory('A100-SXM4-40GB', '555', '3g.20gb'), 19968)
  t.equal(memory('A30', '470', '4g.24gb'), 24064)
  t.equal(memory('A30', '525', '4g.24gb'), 24000)

  const has = (model: string, driver: string, name: string) => memory(model, driver, name) !== undefined
  t.notOk(has('A100-SXM4-40GB', '460', '1g.5gb+me'))
  t.ok(has('A100-SXM4-40GB', '470', '1g.5gb+me'))
  t.notOk(has('A100-SXM4-80GB', '520', '1g.20gb'))
  t.ok(has('A100-SXM4-80GB', '525', '1g.20gb'))
  t.notOk(has('A30', '510', '2g.12gb+me'))

  const pairs = (model: string, driver: string) => board(model, driver).excludes.map(({ profiles }) => profiles)
  t.same(pairs('A100-SXM4-40GB', '470'), [['3g.20gb', '4g.20gb']], 'the guide: 18 layouts before R510')
  t.same(pairs('A100-SXM4-40GB', '510'), [])
  t.same(pairs('A30', '550'), [['1g.6gb+me', '2g.12gb+me']])
})

t.test('a driver that does not know a board', async t => {
  t.throws(
    () => board('H100-SXM5-80GB', '520'),
    new RangeError('H100-SXM5-80GB needs driver 525.53 or later: 520 does not know it')
  )
  t.throws(
    () => board('A100-SXM4-40GB', '450.51.05'),
    new RangeError('A100-SXM4-40GB needs driver 450.80.02 or later: 450.51.05 does not know it')
  )
  t.equal(board('A100-SXM4-40GB', '450.80.02').model, 'A100-SXM4-40GB')
})

t.test('models', async t => {
  t.same([...models].sort(), ['A100-PCIE-80GB', 'A100-SXM4-40GB', 'A100-SXM4-80GB', 'A30', 'H100-SXM5-80GB'])
  t.equal(findBoard('a100-sxm4-40GB').model, 'A100-SXM4-40GB')
  t.throws(() => findBoard('A100-SXM4-41GB'), {
    name: 'RangeError',
    message:
      /^there is no board 'A100-SXM4-41GB'; did you mean A100-SXM4-40GB\? The simulator has A100-PCIE-80GB, .* and H100-SXM5-80GB\.$/
  })
  t.throws(() => findBoard('Voodoo'), { message: /^there is no board 'Voodoo'\. The simulator has / })
  t.throws(() => findBoard('a100'), { message: /did you mean A100-PCIE-80GB, A100-SXM4-40GB or A100-SXM4-80GB\?/ })
})

t.test('no row breaks the rules of MIG', async t => {
  for (const { model, identity, profiles, excludes, format } of boards) {
    t.equal(format, 'nvml-mig-board/1')
    t.ok(
      excludes.every(pair => pair.profiles.length === 2 && pair.profiles.every(name => profiles.some(row => row.name === name)))
    )
    for (const row of profiles) {
      const at = `${model} ${row.name}`
      t.ok(
        row.starts.every(start => start + row.memorySlices <= identity.memorySlices),
        `${at} lies on the board`
      )
      t.ok(row.memoryMiB <= identity.memoryTotalMiB, `${at} is no larger than the board`)
      t.ok(row.multiprocessors <= identity.multiprocessorCount, at)
      t.ok(row.idleMemory.mib < row.memoryMiB, at)
      const full = row.computeInstances.filter(({ slices }) => slices === row.computeSlices)
      t.same(
        full.map(({ instances, multiprocessors, name }) => [instances, multiprocessors, name]),
        [[1, row.multiprocessors, row.name.replace('+me', '')]]
      )
      for (const compute of row.computeInstances) {
        const slots = full[0]!.size
        t.ok(
          compute.starts.every(start => start + compute.size <= slots),
          `${at} ${compute.name} lies in its GPU instance`
        )
        t.ok(compute.instances * compute.slices <= row.computeSlices, `${at} ${compute.name}`)
      }
    }
  }
})
