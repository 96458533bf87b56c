/**
 * Random creates and destroys on A100, A30 and H100 boards, beside a simple model of the rules written here from
 * the boards' profiles and placements alone: what may be created, where the driver puts it, which id
 * it gets, how many more would fit, and in which order MIG devices are numbered.
 */
import fc from 'fast-check'
import t from 'tap'
import type { Gpu, GpuInstanceProfile } from '../lib/index.js'
import { openNode } from './helpers/node.js'

const BOARDS = ['A100-SXM4-40GB', 'A100-SXM4-80GB', 'A100-PCIE-80GB', 'A30', 'H100-SXM5-80GB'] as const
/** Memory slices of a board: 4 on A30, 8 on the others (boards' data, "placement unit"). */
const slicesOf = (model: string) => (model === 'A30' ? 4 : 8)
const FULL = process.env.NVML_MIG_TEST_FULL === '1'

interface Live {
  profile: GpuInstanceProfile
  start: number
  size: number
  id: number
}

class Model {
  live: Live[] = []
  readonly profiles: GpuInstanceProfile[]
  readonly slices: number
  readonly swapped: boolean

  constructor(profiles: GpuInstanceProfile[], slices: number, swapped: boolean) {
    this.profiles = profiles
    this.slices = slices
    this.swapped = swapped
  }

  fits(profile: GpuInstanceProfile, start: number, size: number, live = this.live): boolean {
    const overlaps = live.some(other => start < other.start + other.size && other.start < start + size)
    const alike = live.filter(other => other.profile.id === profile.id).length
    // One JPEG engine and one OFA: at most one +me instance of any size.
    const media = profile.name.endsWith('+me') && live.some(other => other.profile.name.endsWith('+me'))
    return !overlaps && !media && alike < profile.maxInstances
  }

  free(profile: GpuInstanceProfile, live = this.live) {
    return (profile.placements ?? []).filter(({ start, size }) => this.fits(profile, start, size, live))
  }

  /** The start that leaves most creates possible; the lowest of equals. */
  choice(profile: GpuInstanceProfile) {
    const scored = this.free(profile).map(placement => {
      const after = [...this.live, { profile, ...placement, id: -1 }]
      return { ...placement, left: this.profiles.reduce((sum, other) => sum + this.free(other, after).length, 0) }
    })
    scored.sort((a, b) => b.left - a.left || a.start - b.start)
    return scored[0]
  }

  /** Halves are 1 and 2, quarters 3 to 6, eighths 7 to 14, the whole board 0. */
  id(start: number, size: number): number {
    const parts = this.slices / size
    if (parts === 1) return 0
    const index = start / size
    return parts - 1 + (this.swapped ? (index + parts / 2) % parts : index)
  }

  remaining(profile: GpuInstanceProfile): number {
    let live = this.live
    let count = 0
    for (const { start, size } of profile.placements ?? []) {
      if (!this.fits(profile, start, size, live)) continue
      live = [...live, { profile, start, size, id: -1 }]
      count++
    }
    return count
  }
}

type Action =
  | { kind: 'create'; profile: number; start: number | undefined }
  | { kind: 'destroy'; pick: number }
  | { kind: 'device'; profile: number }

const actions = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('create' as const), profile: fc.nat(19), start: fc.option(fc.nat(7), { nil: undefined }) }),
    fc.record({ kind: fc.constant('device' as const), profile: fc.nat(19) }),
    fc.record({ kind: fc.constant('destroy' as const), pick: fc.nat(19) })
  ),
  { minLength: 1, maxLength: 25 }
)

async function play(gpu: Gpu, model: Model, sequence: Action[]): Promise<void> {
  for (const action of sequence) {
    if (action.kind === 'destroy') {
      const victim = model.live[action.pick % Math.max(1, model.live.length)]
      if (!victim) continue
      const instance = (await gpu.instances()).find(({ id }) => id === victim.id)
      await instance?.destroy({ force: true })
      model.live = model.live.filter(other => other !== victim)
    } else {
      const profile = model.profiles[action.profile % model.profiles.length] as GpuInstanceProfile
      const start = action.kind === 'create' ? action.start : undefined
      const possible = (profile.placements ?? []).find(placement => placement.start === start)
      const expected =
        start === undefined
          ? model.choice(profile)
          : possible && model.fits(profile, possible.start, possible.size)
            ? possible
            : undefined
      const made = await (action.kind === 'device'
        ? gpu.create(profile.name)
        : gpu.createGpuInstance(profile.name, start === undefined ? {} : { start })
      ).then(
        made => ({ id: 'gpuInstanceId' in made ? made.gpuInstanceId : made.id, ...made.placement }),
        error => (error as { code?: string; name?: string }).code ?? (error as Error).name
      )
      if (start !== undefined && !possible) {
        if (made !== 'RangeError') throw new Error(`${profile.name} at ${start}: ${JSON.stringify(made)} instead of a RangeError`)
      } else if (!expected) {
        if (made !== 'INSUFFICIENT_RESOURCES')
          throw new Error(`${profile.name} at ${start}: ${JSON.stringify(made)}, the model has no room`)
      } else {
        const id = model.id(expected.start, expected.size)
        const want = { id, start: expected.start, size: expected.size }
        if (JSON.stringify(made) !== JSON.stringify(want))
          throw new Error(`${profile.name} at ${start}: ${JSON.stringify(made)}, the model says ${JSON.stringify(want)}`)
        model.live.push({ profile, ...want })
      }
    }
  }
  const listed = (await gpu.instances()).map(({ id, profileId, placement }) => ({ id, profileId, ...placement }))
  const wanted = model.live.map(({ id, profile, start, size }) => ({ id, profileId: profile.id, start, size }))
  const byId = (a: { id: number }, b: { id: number }) => a.id - b.id
  if (JSON.stringify(listed.sort(byId)) !== JSON.stringify(wanted.sort(byId)))
    throw new Error(`live: ${JSON.stringify(listed)}, the model says ${JSON.stringify(wanted)}`)
  for (const { id, remaining } of await gpu.profiles()) {
    const profile = model.profiles.find(entry => entry.id === id) as GpuInstanceProfile
    if (remaining !== model.remaining(profile))
      throw new Error(`${profile.name}: ${remaining} remaining, the model says ${model.remaining(profile)}`)
  }
  const order = (await gpu.devices()).map(({ index, gpuInstanceId }) => [index, gpuInstanceId] as const)
  const ids = order.map(([, id]) => id)
  if (order.some(([index], i) => index !== i) || ids.some((id, i) => i > 0 && id <= (ids[i - 1] as number)))
    throw new Error(`MIG devices out of order: ${JSON.stringify(order)}`)
}

for (const model of BOARDS) {
  for (const giNumbering of ['straight', 'swapped'] as const) {
    t.test(`${model}, ${giNumbering} ids`, async t => {
      const { nvml, node } = await openNode(t, { gpus: [{ model, giNumbering }] }, { mig: true })
      const gpu = nvml.gpu(0)
      const profiles = await gpu.profiles()
      const result = await fc.check(
        fc.asyncProperty(actions, async sequence => {
          for (const instance of await gpu.instances()) await instance.destroy({ force: true })
          await play(gpu, new Model(profiles, slicesOf(model), giNumbering === 'swapped'), sequence)
        }),
        { numRuns: FULL ? 2000 : 200 }
      )
      t.comment(`seed ${result.seed}, ${result.numRuns} sequences`)
      t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'every sequence agrees')
      t.equal(node.check(), undefined, 'the image obeys the rules')
    })
  }
}
