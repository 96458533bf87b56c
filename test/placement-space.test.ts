/**
 * Walks every layout of a board by explicit creates and destroys through the library and counts
 * what it meets. The counts were computed by exhaustion in two independent programs over the
 * placements of the boards (planner model, "State space"): layouts incl. the empty one, create
 * edges between them, and layouts to which nothing can be added.
 */
import t from 'tap'
import type { Gpu } from '../lib/index.js'
import { openNode } from './helpers/node.js'

const BOARDS = [
  { model: 'A100-SXM4-40GB', layouts: 2319, edges: 9129, maximal: 239 },
  { model: 'A30', layouts: 76, edges: 171, maximal: 17 }
]

async function walk(gpu: Gpu): Promise<{ layouts: number; edges: number; maximal: number }> {
  const cells = (await gpu.profiles()).flatMap(({ name, placements }) => (placements ?? []).map(({ start }) => ({ name, start })))
  const seen = new Set<string>()
  const counts = { layouts: 0, edges: 0, maximal: 0 }
  const visit = async (layout: readonly string[]): Promise<void> => {
    counts.layouts++
    let added = 0
    for (const { name, start } of cells) {
      let made: Awaited<ReturnType<Gpu['createGpuInstance']>>
      try {
        made = await gpu.createGpuInstance(name, { start })
      } catch (error) {
        if ((error as { code?: string }).code !== 'INSUFFICIENT_RESOURCES') throw error
        continue
      }
      added++
      const next = [...layout, `${name}@${start}`].sort()
      const key = next.join(' ')
      if (!seen.has(key)) {
        seen.add(key)
        await visit(next)
      }
      await made.destroy()
    }
    counts.edges += added
    if (added === 0) counts.maximal++
  }
  await visit([])
  return counts
}

for (const { model, ...expected } of BOARDS) {
  t.test(model, async t => {
    const { nvml } = await openNode(t, { gpus: [model] }, { mig: true })
    t.same(await walk(nvml.gpu(0)), expected)
  })
}
