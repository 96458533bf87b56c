/** What may live beside what: every full layout of a board stays within its engines, and the rules of media engines hold. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type BoardRow, excludedBeside, type GpuProfileRow } from '../../lib/simulator/boards.js'
import { boards } from '../../lib/simulator/data.js'
import { fillUnknown } from '../../lib/simulator/fill.js'
import { openNode } from '../helpers/node.js'

/** How many of each engine a whole board has. */
const facts = (
  JSON.parse(readFileSync(new URL('../facts/gpus.json', import.meta.url), 'utf8')) as {
    gpus: Record<string, { same_as?: string; totals?: Record<'ce' | 'nvdec' | 'nvenc' | 'nvjpg' | 'ofa', number> }>
  }
).gpus

const ENGINES = { ce: 'copyEngines', nvdec: 'decoders', nvenc: 'encoders', nvjpg: 'jpegs', ofa: 'ofas' } as const

/** The most of one engine that instances can have at once, over all layouts that placement, counts and exclusions admit. */
function mostAtOnce(board: BoardRow, engine: keyof GpuProfileRow['engines']): number {
  const excluded = new Map(board.profiles.map(({ name }) => [name, excludedBeside(board, name)]))
  const kinds = [...new Set(board.profiles.filter(row => row.engines[engine] > 0))]
  const search = (from: number, live: readonly GpuProfileRow[]): number => {
    if (from >= board.identity.memorySlices) return 0
    let most = search(from + 1, live)
    for (const row of kinds) {
      if (!row.starts.includes(from)) continue
      if (live.filter(({ name }) => name === row.name).length >= row.instances) continue
      if (live.some(({ name }) => excluded.get(row.name)!.has(name))) continue
      most = Math.max(most, row.engines[engine] + search(from + row.memorySlices, [...live, row]))
    }
    return most
  }
  return search(0, [])
}

t.test('no layout has more engines than its board', async t => {
  for (const row of boards) {
    const { board } = fillUnknown(row)
    const totals = facts[row.model]!.totals ?? facts[facts[row.model]!.same_as ?? '']?.totals
    if (!totals) continue
    for (const [total, engine] of Object.entries(ENGINES) as [keyof typeof ENGINES, keyof GpuProfileRow['engines']][]) {
      // Thor's one copy engine serves its two instances alike: the guide gives each of them 1.
      if (row.model === 'Thor-iGPU' && engine === 'copyEngines') continue
      const most = mostAtOnce(board, engine)
      t.ok(most <= totals[total], `${row.model}: ${most} of ${totals[total]} ${engine}`)
    }
  }
})

t.test('RTX PRO 6000: +me.all has every media engine, so only -me fits beside it', async t => {
  const { nvml } = await openNode(t, { gpus: ['RTX-PRO-6000-Blackwell-Server'], fill: 'derived' }, { mig: true })
  const gpu = nvml.gpu(0)
  const all = await gpu.createGpuInstance('1g.24gb+me.all')
  const remaining = Object.fromEntries((await gpu.profiles()).map(({ name, remaining }) => [name, remaining]))
  t.same(remaining, {
    '1g.24gb': 0,
    '1g.24gb+me': 0,
    '1g.24gb+gfx': 0,
    '1g.24gb+me.all': 0,
    '1g.24gb-me': 3,
    '2g.48gb': 0,
    '2g.48gb+gfx': 0,
    '2g.48gb+me.all': 0,
    '2g.48gb-me': 1,
    '4g.96gb': 0,
    '4g.96gb+gfx': 0
  })
  for (const name of ['1g.24gb', '1g.24gb+gfx', '2g.48gb+me.all']) {
    await t.rejects(gpu.createGpuInstance(name), { code: 'INSUFFICIENT_RESOURCES' }, name)
  }
  const media = await gpu.createGpuInstance('2g.48gb-me')
  await all.destroy()
  await gpu.createGpuInstance('1g.24gb+me')
  await t.rejects(gpu.createGpuInstance('1g.24gb+me.all'), { code: 'INSUFFICIENT_RESOURCES' }, 'either way round')
  t.equal(media.id >= 1, true)
})

t.test('Thor: one compute instance and one +gfx instance', async t => {
  const { nvml } = await openNode(t, { gpus: ['Thor-iGPU'], driver: '595', fill: 'derived' }, { mig: true })
  const gpu = nvml.gpu(0)
  await gpu.create('1g.0gb')
  await t.rejects(gpu.createGpuInstance('1g.0gb+me'), { code: 'INSUFFICIENT_RESOURCES' })
  await gpu.create('1g.0gb+gfx')
  for (const { name, remaining } of await gpu.profiles()) t.equal(remaining, 0, name)
})
