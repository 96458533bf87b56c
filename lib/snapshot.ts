/** The whole node as plain data: what `Session.snapshot` answers. */
import type { MigMode } from './gpu.js'
import type { ComputeInstanceProfile, Engines, GpuInstanceProfile, Placement, Unavailable } from './profiles.js'

/** What could not be read, by the name of the field that is null for it. */
export type UnavailableFields = Record<string, Unavailable>

/** The driver behind a snapshot. */
export interface DriverSnapshot {
  /** `550.163.01`. nvmlSystemGetDriverVersion. */
  version: string | null
  /** `12.550.163.01`. nvmlSystemGetNVMLVersion. */
  nvml: string | null
  /** Newest CUDA that the driver serves, `12.4`. nvmlSystemGetCudaDriverVersion_v2. */
  cuda: string | null
  unavailable: UnavailableFields
}

/** A kind of compute instance. How many more fit is a matter of each GPU instance, so it is not told here. */
export interface ComputeInstanceProfileSnapshot extends Omit<ComputeInstanceProfile, 'remaining'> {
  /** The name as the driver writes it, `MIG 1c.3g.20gb`; null from drivers before R510, which give none: `name` is made then. */
  reportedName: string | null
  /** Bits of NVML_COMPUTE_INSTANCE_PROFILE_CAPS_*; null from drivers before R545, which do not say. */
  capabilities: number | null
}

/** A kind of GPU instance, as the driver reported it. */
export interface GpuInstanceProfileSnapshot extends GpuInstanceProfile {
  /** The name as the driver writes it, `MIG 3g.20gb`; null from drivers before R510, which give none: `name` is made then. */
  reportedName: string | null
  /** Whether instances of it can reach each other's memory; null if the driver does not say. */
  p2p: boolean | null
  /** Bits of NVML_GPU_INSTANCE_PROFILE_CAPS_*; null from drivers before R545, which do not say. */
  capabilities: number | null
  /** What a live GPU instance of this profile offers. NVML tells it of live ones alone: null where none lives. */
  computeInstanceProfiles: ComputeInstanceProfileSnapshot[] | null
}

/** A compute instance. */
export interface ComputeInstanceSnapshot {
  /** Unique in its GPU instance. */
  id: number
  /** Name of its profile, null if the profiles could not be read. */
  profile: string | null
  profileId: number
  /** Compute slots of the GPU instance; null if this driver does not say. */
  placement: Placement | null
  /** Of its MIG device, which `migDevices` has in full; null if that could not be read. */
  uuid: string | null
  index: number | null
  name: string | null
}

/** A GPU instance. */
export interface GpuInstanceSnapshot {
  /** Unique on its GPU. */
  id: number
  /** Name of its profile, null if the profiles could not be read. */
  profile: string | null
  profileId: number
  /** Memory slices of the GPU. */
  placement: Placement
  /** By id; null if they could not be read. */
  computeInstances: ComputeInstanceSnapshot[] | null
  unavailable: UnavailableFields
}

/** A MIG device. Whoever may use it can read this, without the right to see instances. */
export interface MigDeviceSnapshot {
  uuid: string
  /** Number among the MIG devices of the GPU. */
  index: number
  /** `NVIDIA A100-SXM4-40GB MIG 1g.5gb`. */
  name: string
  profile: string
  gpuInstanceId: number
  computeInstanceId: number
  /** Memory of its GPU instance, MiB. */
  memoryMiB: number | null
  /** Compute slices of its GPU instance. */
  gpuInstanceSlices: number | null
  /** Compute slices of its own. */
  computeInstanceSlices: number | null
  multiprocessors: number | null
  /** Shared by all MIG devices of its GPU instance. */
  engines: Engines | null
  unavailable: UnavailableFields
}

/** A GPU. Every field but `index` and `migCapable` is null where it could not be read, and `unavailable` has the reason. */
export interface GpuSnapshot {
  index: number
  /** `GPU-…` */
  uuid: string | null
  name: string | null
  serial: string | null
  /** `00000000:07:00.0` */
  pciBusId: string | null
  /** Device number and vendor: `0x20B010DE`. */
  pciDeviceId: string | null
  pciSubSystemId: string | null
  /** The number in `/dev/nvidia<n>`. */
  minorNumber: number | null
  boardPartNumber: string | null
  vbiosVersion: string | null
  /** `NVIDIA`, `NVIDIA RTX`, …; NVML's number as text if it is newer than this package. */
  brand: string | null
  /** `Ampere`, `Hopper`, …; NVML's number as text if it is newer than this package. */
  architecture: string | null
  /** CUDA compute capability: `8.0`. */
  computeCapability: string | null
  memoryTotalMiB: number | null
  bar1TotalMiB: number | null
  /** Whether it has MIG at all. */
  migCapable: boolean
  /** Null also on a GPU without MIG. */
  migMode: MigMode | null
  /** The most MIG devices it can have in its present mode: 0 while MIG is off. */
  maxMigDevices: number | null
  /** As `nvidia-smi mig -lgip` lists them; none without MIG. Drivers before R550 tell them only while MIG is on. */
  profiles: GpuInstanceProfileSnapshot[] | null
  /** By id; none while MIG is off. */
  gpuInstances: GpuInstanceSnapshot[] | null
  /** By index; none while MIG is off. */
  migDevices: MigDeviceSnapshot[] | null
  /** Under `gpu` why NVML would not open it: then nothing of it is known. */
  unavailable: UnavailableFields
}

/** A node as plain data: what `JSON.stringify` writes of it, `JSON.parse` gives back equal. */
export interface Snapshot {
  format: 'nvml-mig-snapshot/1'
  driver: DriverSnapshot
  gpus: GpuSnapshot[]
}
