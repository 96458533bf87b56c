/** Snapshots of nodes, and nodes with something on them to take one of. */
import type { Test } from 'tap'
import { type Gpu, NvmlError, open, type Session, type Snapshot } from '../../lib/index.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'

/** What `use` makes of a session on a node, which is closed then. */
export async function onNode<T>(node: SimulatedNode, use: (nvml: Session) => Promise<T>): Promise<T> {
  const nvml = await open({ library: node.library, root: node.root })
  try {
    return await use(nvml)
  } finally {
    await nvml.close()
  }
}

export const snapshotOf = (node: SimulatedNode): Promise<Snapshot> => onNode(node, nvml => nvml.snapshot())

/** A snapshot of a node made for it alone, after `prepare`. */
export async function snapshotFrom(
  request: SimulateOptions,
  prepare: (nvml: Session, node: SimulatedNode) => Promise<unknown> = async () => {}
): Promise<Snapshot> {
  const node = await simulate(request)
  try {
    await onNode(node, nvml => prepare(nvml, node))
    return await snapshotOf(node)
  } finally {
    await node.close()
  }
}

/** What the driver answers where there is no room, or the board lists what it does not create. */
const noRoom = (error: unknown): undefined => {
  if (error instanceof NvmlError && error.code === 'INSUFFICIENT_RESOURCES') return undefined
  throw error
}

/** Fills a GPU with one instance of every profile that fits, the large ones first, and those with compute instances. */
export async function fillWithInstances(gpu: Gpu): Promise<void> {
  await gpu.setMigMode(true)
  const placed = (await gpu.profiles()).filter(({ placements }) => placements && placements.length > 0)
  // The whole board would leave no room for others.
  for (const { id } of placed.reverse().slice(1)) {
    const instance = await gpu.createGpuInstance(id).catch(noRoom)
    for (const profile of (await instance?.profiles()) ?? []) await instance!.createComputeInstance(profile.id).catch(noRoom)
  }
}

/** As it is after a file or a network was between. */
export const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** The snapshot of the node that a snapshot was made into. */
export async function replayed(from: Snapshot, options: Omit<SimulateOptions, 'from'> = {}): Promise<Snapshot> {
  const node = await simulate({ from: throughJson(from), ...options })
  try {
    node.check()
    return await snapshotOf(node)
  } finally {
    await node.close()
  }
}

/** A snapshot is that of the node which is made of it. */
export async function roundTrip(
  t: Test,
  what: string,
  snapshot: Snapshot,
  options: Omit<SimulateOptions, 'from'> = {}
): Promise<void> {
  t.strictSame(await replayed(snapshot, options), snapshot, what)
}
