/** That a refusal left everything as it was: the layout, and what NVML was asked to change. */
import type { Test } from 'tap'
import type { Session } from '../../lib/index.js'
import type { SimulatedNode } from '../../lib/simulator/index.js'

const CHANGING = [
  'nvmlDeviceSetMigMode',
  'nvmlDeviceCreateGpuInstance',
  'nvmlDeviceCreateGpuInstanceWithPlacement',
  'nvmlGpuInstanceDestroy',
  'nvmlGpuInstanceCreateComputeInstance',
  'nvmlGpuInstanceCreateComputeInstanceWithPlacement',
  'nvmlComputeInstanceDestroy'
]

/** How often NVML was asked to change something, by any process. */
export function changesAsked(node: SimulatedNode): number {
  return CHANGING.reduce((sum, name) => sum + node.calls(name), 0)
}

async function layout(nvml: Session): Promise<unknown> {
  const gpus = nvml.gpus.map(async gpu => ({
    mode: await gpu.migMode(),
    instances: await Promise.all(
      (await gpu.instances()).map(async gi => ({
        id: gi.id,
        profile: gi.profile,
        placement: gi.placement,
        computes: (await gi.computeInstances()).map(ci => [ci.id, ci.profile, ci.placement])
      }))
    )
  }))
  return Promise.all(gpus)
}

/**
 * Expects `call` to be rejected as `error` says, and nothing to have changed.
 * `asked`: NVML was asked for the change, and it was NVML that refused.
 */
export async function refuses(
  t: Test,
  { node, nvml }: { node: SimulatedNode; nvml: Session },
  call: () => Promise<unknown>,
  error: { name: string; [field: string]: unknown } | { code: string; [field: string]: unknown },
  { asked = false } = {}
): Promise<void> {
  const before = await layout(nvml)
  const asks = changesAsked(node)
  await t.rejects(call(), error)
  if (!asked) t.equal(changesAsked(node), asks, 'NVML was not asked to change anything')
  t.same(await layout(nvml), before, 'nothing changed')
}
