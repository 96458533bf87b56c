/**
 * Simulated nodes: machines with MIG GPUs that are not there. A node is a directory with a
 * libnvidia-ml.so.1 of its own, which any NVML client can load; docs/simulator.md says what it models.
 */
import { optionalText, shown } from '../arguments.js'
import type { BoardRow } from './boards.js'
import { findBoard } from './models.js'
import { SimulatedNode } from './node.js'
import { makeOrAttachNode, makeTemporaryNode } from './node-directory.js'
import { planNode, readRequest, type SimulateOptions } from './request.js'

export type { NvmlCode } from '../errors.js'
export type { MigMode } from '../gpu.js'
export type {
  ComputeInstanceProfile,
  Engines,
  GpuInstanceProfile,
  Placement,
  Profile,
  Unavailable
} from '../profiles.js'
export type {
  Bar1Snapshot,
  ClocksSnapshot,
  ComputeInstanceProfileSnapshot,
  ComputeInstanceSnapshot,
  DriverSnapshot,
  EccSnapshot,
  GpuInstanceProfileSnapshot,
  GpuInstanceSnapshot,
  GpuSnapshot,
  MemorySnapshot,
  MigDeviceSnapshot,
  MigMemorySnapshot,
  PcieSnapshot,
  PowerSnapshot,
  ProcessKind,
  ProcessSnapshot,
  Snapshot,
  UnavailableFields,
  UtilizationSnapshot
} from '../snapshot.js'
export type { Activity, ActivityOptions } from './activity.js'
export type {
  Backed,
  BoardRow,
  BranchRange,
  ComputeProfileRow,
  Confidence,
  Exclusion,
  GpuProfileRow,
  IdleMemory,
  Variant
} from './boards.js'
export type { ClientKind, ClientOptions, SimulatedClient } from './clients.js'
export { type ComparedFigure, type ComparedGpu, type Comparison, compareWithRows, type ReportedBoard } from './compare.js'
export type { ContainerOptions, SimulatedContainer, VisibleDevice } from './container.js'
export { type Dialects, dialects } from './dialects.js'
export { type SimulatorCode, SimulatorError } from './errors.js'
export type { MigEvents, RaisedEvent, RaisedMemoryError, RaisedXid } from './events.js'
export type { CallFaultOptions, FaultOptions, GpuFaultCode, GpuFaultOptions } from './fault-request.js'
export type { CallFault, GpuFault } from './faults.js'
export type { FilledFigure } from './fill.js'
export type { ComputeInstanceRequest, GpuInstanceRequest } from './instances.js'
export { models } from './models.js'
export type { SimulatedGpu, SimulatedNode } from './node.js'
export type { GpuReadings, ReadingName } from './readings.js'
export type { GiNumbering, GpuRequest, Platform, SimulateOptions } from './request.js'
export type { Capability } from './rights.js'

/**
 * The simulator's row of a model, as JSON: where every figure comes from, null for what nobody recorded. A
 * changed copy can be given back as `board` of a GPU.
 * @throws RangeError for a model that there is not, or more than one, with the candidates.
 */
export function board(model: string): BoardRow<null> {
  if (typeof model !== 'string') throw new TypeError(`board: a model is a string such as 'A100-SXM4-40GB', not ${shown(model)}`)
  return structuredClone(findBoard(model))
}

/**
 * Makes a simulated node.
 *
 * ```ts
 * await using node = await simulate({ gpus: ['A100-SXM4-40GB*2'], driver: '550' })
 * await using nvml = await open({ library: node.library, root: node.root })
 * ```
 *
 * Any other client uses it too: `LD_LIBRARY_PATH=DIR client`, DIR being `node.dir`.
 * @throws TypeError or RangeError for an option that is wrong, before anything is made;
 *   {@link SimulatorError} `UNKNOWN_FIGURES` for a board with figures that nobody recorded and `fill` does
 *   not allow to derive; `DIFFERENT_NODE`, `NOT_A_NODE` or `UNUSABLE_DIRECTORY` for a directory that
 *   will not do; an NVML code such as `INSUFFICIENT_RESOURCES` for instances that do not fit, or `UNKNOWN`
 *   for a node there that is damaged.
 */
export async function simulate(options: SimulateOptions): Promise<SimulatedNode> {
  const request = readRequest(options)
  const plan = planNode(request)
  const dir = optionalText('simulate: dir', options.dir)
  if (dir === undefined) return new SimulatedNode(await makeTemporaryNode(request, plan), request, plan, true)
  const node = new SimulatedNode(await makeOrAttachNode(dir, request, plan), request, plan, false)
  node.attach() // it may have been there before, and been damaged or upgraded since
  return node
}
