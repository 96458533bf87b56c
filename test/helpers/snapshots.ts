/** Snapshots of nodes, and nodes with something on them to take one of. */
import type { Test } from 'tap'
import { type Gpu, NvmlError, open, type Session, type Snapshot, type SnapshotOptions } from '../../lib/index.js'
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

export const snapshotOf = (node: SimulatedNode, options?: SnapshotOptions): Promise<Snapshot> =>
  onNode(node, nvml => nvml.snapshot(options))

/** A snapshot of a node made for it alone, after `prepare`. */
export async function snapshotFrom(
  request: SimulateOptions,
  prepare: (nvml: Session, node: SimulatedNode) => Promise<unknown> = async () => {},
  options?: SnapshotOptions
): Promise<Snapshot> {
  const node = await simulate(request)
  try {
    await onNode(node, nvml => prepare(nvml, node))
    return await snapshotOf(node, options)
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
    // One that has no readings is held against one that has none.
    return await snapshotOf(node, { include: { readings: from.gpus[0]!.power !== undefined } })
  } finally {
    await node.close()
  }
}

/** A snapshot but for the processes, which are not played again. */
export function withoutProcesses(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    gpus: snapshot.gpus.map(({ processes: _, ...gpu }) => ({
      ...gpu,
      migDevices: gpu.migDevices?.map(({ processes: __, ...device }) => device) ?? null
    }))
  }
}

/** A snapshot is that of the node which is made of it. */
export async function roundTrip(
  t: Test,
  what: string,
  snapshot: Snapshot,
  options: Omit<SimulateOptions, 'from'> = {}
): Promise<void> {
  t.strictSame(withoutProcesses(await replayed(snapshot, options)), withoutProcesses(snapshot), what)
}
