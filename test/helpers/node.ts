/** A simulated node and a session on it, both closed when the test ends. */
import type { Test } from 'tap'
import { open, type Session } from '../../lib/index.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'

export async function openNode(
  t: Test,
  request: SimulateOptions,
  { mig = false } = {}
): Promise<{ node: SimulatedNode; nvml: Session }> {
  const node = await simulate(request)
  t.teardown(() => node.close())
  const nvml = await open({ library: node.library, root: node.root })
  t.teardown(() => nvml.close())
  if (mig) for (const gpu of nvml.gpus) await gpu.setMigMode(true)
  return { node, nvml }
}
