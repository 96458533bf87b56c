/**
 * Random creates and destroys on every board, beside a simple model of the rules written here from the boards'
 * profiles and placements alone: what may be created, where the driver puts it, which id it gets, how many
 * more would fit, and in which order MIG devices are numbered. NVML_MIG_TEST_FULL=1 plays more of them.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { Gpu, GpuInstanceProfile } from '../lib/index.js'
import { models } from '../lib/simulator/index.js'
import { openNode } from './helpers/node.js'
import { FULL, SEED } from './helpers/run.js'

/** How many placement units a board has; null where it was not recorded. */
const recorded = (
  JSON.parse(readFileSync(new URL('./facts/gpus.json', import.meta.url), 'utf8')) as {
    gpus: Record<string, { identity: { memory_slices: number | null } }>
  }
).gpus

interface Live {
  profile: GpuInstanceProfile
  start: number
  size: number
  id: number
}

class Model {
  live: Live[] = []
  readonly board: string
  readonly profiles: GpuInstanceProfile[]
  readonly slices: number
  readonly swapped: boolean

  constructor(board: string, profiles: GpuInstanceProfile[], swapped: boolean) {
    this.board = board
    this.profiles = profiles
    // Of every board there is a profile that is all of it.
    const largest = Math.max(...profiles.flatMap(({ placements }) => placements!.map(({ size }) => size)))
    this.slices = recorded[board]!.identity.memory_slices ?? largest
    this.swapped = swapped
  }

  /** Whether the two may be live at once, wherever they are. */
  coexist(one: GpuInstanceProfile, other: GpuInstanceProfile): boolean {
    const [a, b] = [one, other].map(({ name }) => name.replace(/^[^+-]*/, ''))
    // All media engines: what has none is all that is left.
    if (a === '+me.all' || b === '+me.all') return a === '-me' || b === '-me'
    // One OFA: at most one +me instance of any size.
    if (a === '+me' && b === '+me') return false
    // "At most two instances: one compute and one graphics."
    return this.board !== 'Thor-iGPU' || (a === '+gfx') !== (b === '+gfx')
  }

  fits(profile: GpuInstanceProfile, start: number, size: number, live = this.live): boolean {
    const overlaps = live.some(other => start < other.start + other.size && other.start < start + size)
    const alike = live.filter(other => other.profile.id === profile.id).length
    return !overlaps && alike < profile.maxInstances && live.every(other => this.coexist(profile, other.profile))
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
  | { kind: 'create' | 'device'; profile: number }
  | { kind: 'place'; profile: number; placement: number }
  | { kind: 'misplace'; profile: number; start: number }
  | { kind: 'destroy'; pick: number }

const profile = fc.nat(19)
const actions = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('create' as const, 'device' as const), profile }),
    fc.record({ kind: fc.constant('place' as const), profile, placement: fc.nat(6) }),
    fc.record({ kind: fc.constant('misplace' as const), profile, start: fc.nat(12) }),
    fc.record({ kind: fc.constant('destroy' as const), pick: fc.nat(19) })
  ),
  { minLength: 1, maxLength: 25 }
)

/** The start that an action asks for; undefined if it leaves that to the driver. */
function startOf(action: Action, { placements }: GpuInstanceProfile): number | undefined {
  if (action.kind === 'place') return placements![action.placement % placements!.length]!.start
  return action.kind === 'misplace' ? action.start : undefined
}

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
      const start = startOf(action, profile)
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

t.comment(`seed ${SEED}`)
for (const [i, model] of models.entries()) {
  for (const giNumbering of ['straight', 'swapped'] as const) {
    t.test(`${model}, ${giNumbering} ids`, async t => {
      const { nvml, node } = await openNode(t, { gpus: [{ model, giNumbering }], fill: 'derived' }, { mig: true })
      const gpu = nvml.gpu(0)
      const profiles = await gpu.profiles()
      const result = await fc.check(
        fc.asyncProperty(actions, async sequence => {
          for (const instance of await gpu.instances()) await instance.destroy({ force: true })
          await play(gpu, new Model(model, profiles, giNumbering === 'swapped'), sequence)
        }),
        { numRuns: FULL ? 2000 : 40, seed: SEED + i }
      )
      t.comment(`seed ${result.seed}, ${result.numRuns} sequences`)
      t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'every sequence agrees')
      t.equal(node.check(), undefined, 'the image obeys the rules')
    })
  }
}
