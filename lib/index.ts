/**
 * `nvml-mig`: MIG for Node.js. {@link open} gives a session; everything else is reached from it.
 */
export type { NvmlCall } from './call-channel.js'
export type { ComputeInstance } from './compute-instance.js'
export type { CudaDevice } from './device-names.js'
export { cudaVisibleDevices, parseCudaVisibleDevices } from './device-names.js'
export type { NvmlCode, NvmlFailure, SessionErrorCode } from './errors.js'
export { NvmlError, SessionError } from './errors.js'
export type { Gpu, MigMode, MigModeChange } from './gpu.js'
export type { CreateOptions, GpuInstance } from './gpu-instance.js'
export type { LayoutErrorCode } from './layout/errors.js'
export { LayoutError } from './layout/errors.js'
export type { MigDevice } from './mig-device.js'
export type {
  ComputeInstanceProfile,
  Engines,
  GpuInstanceProfile,
  Placement,
  Placements,
  Profile,
  Unavailable
} from './profiles.js'
export type { MigDeviceRef, OpenOptions, Session, SessionInfo, SuspendResult } from './session.js'
export { open } from './session.js'
export type { SlowCall } from './slow-calls.js'
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
  SnapshotOptions,
  UnavailableFields,
  UtilizationSnapshot
} from './snapshot.js'
