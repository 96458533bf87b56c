/**
 * Every board, read through the library on a simulated node, against what is known of it (test/facts/gpus.json),
 * figure by figure. Prints how many rows were compared and how strong each is: npm run test:boards.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Gpu } from '../../lib/index.js'
import { board, type ComputeProfileRow, models, SimulatorError, simulate } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'

interface ComputeFacts {
  name: string
  ci_profile_id: number
  instances_total: number
  sm: number | null
  placements: string
  confidence: string
}

interface ProfileFacts {
  short: string
  profile_id: number | null
  instances_total: number
  memory_gib_printed: string | null
  memory_mib: number | null
  sm: number | null
  ce: number
  dec: number | null
  enc: number
  jpeg: number | null
  ofa: number
  placements: string | null
  confidence: string
  placement_confidence: string
  compute_instances: ComputeFacts[]
}

interface BoardFacts {
  identity: Record<string, string | number | null>
  same_as?: string
  memory_overrides?: Record<string, string>
  gi_profiles?: ProfileFacts[]
}

const facts = (
  JSON.parse(readFileSync(new URL('../facts/gpus.json', import.meta.url), 'utf8')) as { gpus: Record<string, BoardFacts> }
).gpus

/** A board whose facts are a sibling's profile names alone: its 78 multiprocessors are not the sibling's 132. */
const NAMES_ALONE = 'H20-141GB'

/** The release whose rows the facts print, where it is not the one that the simulator plays by itself. Thor's 3g+gfx needs R595. */
const DRIVERS: Record<string, string> = { 'Thor-iGPU': '595' }

function profilesOf(model: string): ProfileFacts[] {
  const { gi_profiles, same_as, memory_overrides = {} } = facts[model]!
  const rows = gi_profiles ?? facts[same_as!]!.gi_profiles!
  return rows.map(row => ({
    ...row,
    ...(memory_overrides[row.short] && { memory_gib_printed: memory_overrides[row.short]!, memory_mib: null }),
    ...(model === NAMES_ALONE && { sm: null, compute_instances: row.compute_instances.map(each => ({ ...each, sm: null })) })
  }))
}

type Level = Pick<ComputeProfileRow<null>, 'id' | 'confidence'>

/** GiB as nvidia-smi prints them: two decimals, a tie to the even one. */
function printedGiB(mebibytes: number): string {
  const hundredths = (mebibytes * 100) / 1024
  const below = Math.floor(hundredths)
  const up = hundredths - below > 0.5 || (hundredths - below === 0.5 && below % 2 === 1)
  return ((below + (up ? 1 : 0)) / 100).toFixed(2)
}

const placed = (placements: readonly { start: number; size: number }[]): string =>
  `{${placements.map(({ start }) => start).join(',')}}:${placements[0]?.size}`

/** Of each pair, what is known; an unknown figure is any. */
function known<T extends Record<string, unknown>>(seen: Record<keyof T, unknown>, wanted: T): [object, object] {
  const names = Object.keys(wanted).filter(name => wanted[name] !== null)
  const only = (row: object) => Object.fromEntries(names.map(name => [name, (row as Record<string, unknown>)[name]]))
  return [only(seen), only(wanted)]
}

const tally: Record<string, Record<string, number>> = {
  'GPU-instance profiles': {},
  placements: {},
  'compute-instance profiles': {}
}
const refused: string[] = []

function count(kind: string, level: string): void {
  const counts = tally[kind]!
  counts[level] = (counts[level] ?? 0) + 1
}

async function compareComputeProfiles(t: Test, gpu: Gpu, row: ProfileFacts, levels: readonly Level[]): Promise<void> {
  if (row.compute_instances.length === 0) return
  const instance = await gpu.createGpuInstance(row.short)
  const profiles = await instance.profiles()
  t.same(
    profiles.map(({ name }) => name),
    row.compute_instances.map(({ name }) => name.replace('MIG ', '')),
    `${row.short}: its compute instances`
  )
  for (const wanted of row.compute_instances) {
    const profile = profiles.find(each => each.id === wanted.ci_profile_id)!
    const { possible } = await instance.placements(profile.name)
    t.same(
      ...known(
        { sm: profile.multiprocessors, total: profile.maxInstances, placements: placed(possible), engines: profile.engines },
        {
          sm: wanted.sm,
          total: wanted.instances_total,
          placements: wanted.placements,
          engines: row.dec === null ? null : enginesOf(row)
        }
      ),
      `${wanted.name} of ${row.short}`
    )
    count(
      'compute-instance profiles',
      wanted.sm === null ? 'derived' : levels.find(({ id }) => id === wanted.ci_profile_id)!.confidence
    )
  }
  await instance.destroy()
}

const enginesOf = ({ ce, dec, enc, jpeg, ofa }: ProfileFacts) => ({
  copy: ce,
  decoder: dec,
  encoder: enc,
  jpeg,
  opticalFlow: ofa
})

t.test('the facts and the simulator have the same models', async t => {
  t.equal(models.length, 35)
  t.same([...models].sort(), Object.keys(facts).sort())
})

for (const model of Object.keys(facts)) {
  t.test(model, async t => {
    const driver = DRIVERS[model]
    const request = { gpus: [model], ...(driver !== undefined && { driver }) }
    const refusal = await simulate(request).then(
      node => node.close(),
      (error: unknown) => error
    )
    if (refusal) {
      t.type(refusal, SimulatorError)
      t.equal((refusal as SimulatorError).code, 'UNKNOWN_FIGURES')
      refused.push((refusal as Error).message.replace(/^of (\S+) nobody recorded (.*?)\. \{ fill.*$/, '$1: $2'))
    }
    const { nvml, node } = await openNode(t, { ...request, fill: 'derived' }, { mig: true })
    t.equal(node.gpus[0]!.filled.length > 0, refusal !== undefined, 'a board without unknown figures is played as it is')
    const gpu = nvml.gpu(0)
    const rows = profilesOf(model)
    const levels = board(model).profiles ?? []
    const profiles = await gpu.profiles()
    if (rows.length > 0) t.same(profiles.map(({ name }) => name).sort(), rows.map(({ short }) => short).sort(), 'its profiles')
    for (const row of rows) {
      const profile = profiles.find(({ name }) => name === row.short)!
      const { engines } = profile
      t.same(
        ...known(
          {
            id: profile.id,
            total: profile.maxInstances,
            sm: profile.multiprocessors,
            memory: profile.memoryMiB,
            printed: printedGiB(profile.memoryMiB!),
            copy: engines.copy,
            decoder: engines.decoder,
            encoder: engines.encoder,
            jpeg: engines.jpeg,
            opticalFlow: engines.opticalFlow,
            placements: placed((await gpu.placements(row.short)).possible),
            remaining: profile.remaining
          },
          {
            id: row.profile_id,
            total: row.instances_total,
            sm: row.sm,
            memory: row.memory_mib,
            printed: row.memory_gib_printed,
            copy: row.ce,
            decoder: row.dec,
            encoder: row.enc,
            jpeg: row.jpeg,
            opticalFlow: row.ofa,
            placements: row.placements,
            remaining: row.instances_total
          }
        ),
        row.short
      )
      const level = levels.find(({ name }) => name === row.short)!
      const unknown = Object.values(row).includes(null)
      count('GPU-instance profiles', unknown ? 'derived' : level.confidence)
      count('placements', level.placementConfidence ?? 'derived')
      // A row of its own is as strong as the facts say, one that it shares no stronger than what says that it does.
      if (facts[model]!.gi_profiles) t.equal(level.confidence, row.confidence, `${row.short} is ${row.confidence}`)
      await compareComputeProfiles(t, gpu, row, level.computeInstances ?? [])
    }
  })
}

t.test('identity', async t => {
  for (const [model, { identity: wanted }] of Object.entries(facts)) {
    const { identity } = board(model)
    const name = String(wanted.nvml_name)
    const [subsystem] = wanted.pci_subsystem_ids as unknown as string[]
    t.same(
      identity,
      {
        ...identity,
        name: name.startsWith('(') ? null : name,
        architecture: wanted.architecture,
        computeCapability: wanted.compute_capability,
        pciDeviceId: wanted.pci_device_id,
        pciSubSystemId: subsystem === undefined ? null : `${subsystem.slice(0, 6)}10DE`,
        memoryTotalMiB: wanted.memory_total_mib,
        bar1TotalMiB: wanted.bar1_total_mib,
        multiprocessorCount: wanted.sm_total,
        memorySlices: wanted.memory_slices,
        computeSlices: wanted.compute_slices,
        maxMigDevices: wanted.max_mig_devices
      },
      model
    )
  }
})

t.teardown(() => {
  for (const [kind, counts] of Object.entries(tally)) {
    const total = Object.values(counts).reduce((sum, each) => sum + each, 0)
    const levels = Object.entries(counts).map(([level, each]) => `${each} ${level}`)
    t.comment(`${total} ${kind}: ${levels.join(', ')}`)
  }
  t.comment(`${refused.length} of ${models.length} models are refused unless { fill: 'derived' }, for what nobody recorded:`)
  for (const line of refused) t.comment(`  ${line}`)
})
