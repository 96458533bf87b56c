/** The whole node as plain data: what `Session.snapshot` answers. */
import type { MigMode } from './gpu.js'
import type { ComputeInstanceProfile, Engines, GpuInstanceProfile, Placement, Unavailable } from './profiles.js'

/** What `Session.snapshot` takes. */
export interface SnapshotOptions {
  /** Parts that may be left out, each true if not given. The fields of one that is false are not there. */
  include?: {
    /** `power`, `temperatureCelsius`, `clocks`, `utilization`, `performanceState`, `ecc`, `pcie`, `persistenceMode`, `computeMode`. */
    readings?: boolean
    /** `profiles`. */
    profiles?: boolean
    /** `gpuInstances` and `migDevices`. */
    instances?: boolean
    /** `processes`: of MIG devices, or all of them the GPU's where `instances` are left out. */
    processes?: boolean
  }
}

/** What could not be read, by the field that is null for it: `vbiosVersion`, `power.usageMilliwatts`. */
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
  unavailable?: { placements?: Unavailable; remaining?: Unavailable; computeInstanceProfiles?: Unavailable }
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

/** Memory of a GPU. nvmlDeviceGetMemoryInfo_v2. */
export interface MemorySnapshot {
  /** MiB. */
  totalMiB: number
  freeMiB: number
  /** What is allocated. From drivers before R510 what they keep for themselves is in it. */
  usedMiB: number
  /** What driver and firmware keep for themselves; null from drivers before R510. */
  reservedMiB: number | null
}

/** Memory of the GPU instance behind a MIG device, shared by all MIG devices in it. nvmlDeviceGetMemoryInfo_v2. */
export interface MigMemorySnapshot {
  /** MiB. Of nvmlDeviceGetAttributes_v2 where the memory itself could not be read. */
  totalMiB: number
  freeMiB: number | null
  usedMiB: number | null
}

/** The window onto the memory that the host can map. nvmlDeviceGetBAR1MemoryInfo. */
export interface Bar1Snapshot {
  /** MiB. */
  totalMiB: number
  freeMiB: number
  usedMiB: number
}

/** Power of the whole board, mW. */
export interface PowerSnapshot {
  /** nvmlDeviceGetPowerUsage. On Ampere (except GA100) and newer the mean of a second, as its header says. */
  usageMilliwatts: number | null
  /** What is asked for. nvmlDeviceGetPowerManagementLimit. */
  limitMilliwatts: number | null
  /** What is in force, the least of all limits. nvmlDeviceGetEnforcedPowerLimit. */
  enforcedLimitMilliwatts: number | null
  /** nvmlDeviceGetPowerManagementDefaultLimit. */
  defaultLimitMilliwatts: number | null
}

/** Clocks, MHz: now, nvmlDeviceGetClockInfo, and at most, nvmlDeviceGetMaxClockInfo. */
export interface ClocksSnapshot {
  graphicsMHz: number | null
  smMHz: number | null
  memoryMHz: number | null
  videoMHz: number | null
  maxGraphicsMHz: number | null
  maxSmMHz: number | null
  maxMemoryMHz: number | null
  maxVideoMHz: number | null
}

/** How busy the GPU is, percent of the driver's last sampling period. A GPU in MIG mode tells none of it (NOT_SUPPORTED). */
export interface UtilizationSnapshot {
  /** Time in which a kernel ran. nvmlDeviceGetUtilizationRates. */
  gpuPercent: number | null
  /** Time in which memory was read or written. nvmlDeviceGetUtilizationRates. */
  memoryPercent: number | null
  /** nvmlDeviceGetEncoderUtilization. */
  encoderPercent: number | null
  /** nvmlDeviceGetDecoderUtilization. */
  decoderPercent: number | null
  /** nvmlDeviceGetJpgUtilization; drivers from R535 on. */
  jpegPercent: number | null
  /** nvmlDeviceGetOfaUtilization; drivers from R535 on. */
  opticalFlowPercent: number | null
}

/** Error correction, and errors of the whole GPU: nvmlDeviceGetTotalEccErrors. */
export interface EccSnapshot {
  /** nvmlDeviceGetEccMode. */
  enabled: boolean | null
  /** What it will be after the next reboot. nvmlDeviceGetEccMode. */
  pendingEnabled: boolean | null
  /** Since the driver was loaded; a GPU in MIG mode counts none (NOT_SUPPORTED). */
  volatileCorrected: number | null
  volatileUncorrected: number | null
  /** Since the board was made. */
  aggregateCorrected: number | null
  aggregateUncorrected: number | null
}

/** The link to the host. */
export interface PcieSnapshot {
  /** nvmlDeviceGetCurrPcieLinkGeneration. */
  generation: number | null
  /** What board and slot can do together. nvmlDeviceGetMaxPcieLinkGeneration. */
  maxGeneration: number | null
  /** Lanes. nvmlDeviceGetCurrPcieLinkWidth. */
  width: number | null
  /** nvmlDeviceGetMaxPcieLinkWidth. */
  maxWidth: number | null
  /** Packets sent again. nvmlDeviceGetPcieReplayCounter. */
  replays: number | null
}

/** Which of NVML's lists a process is in. */
export type ProcessKind = 'compute' | 'graphics' | 'mps'

/**
 * A process that uses a GPU or a MIG device; in as many lists and on as many devices as it uses, so a pid may come again.
 * nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlDeviceGetMPSComputeRunningProcesses_v3.
 */
export interface ProcessSnapshot {
  /** As the driver counts: of the host, also where this is read in a container. */
  pid: number
  kind: ProcessKind
  /** At most 255 bytes. Null where NVML finds no such process, `unavailable` has the reason. nvmlSystemGetProcessName. */
  name: string | null
  /** MiB; null where NVML says that it is not available. */
  memoryMiB: number | null
  /** Null outside MIG mode. */
  gpuInstanceId: number | null
  computeInstanceId: number | null
  unavailable?: { name: Unavailable }
}

/** A MIG device. Whoever may use it can read this, without the right to see instances. */
export interface MigDeviceSnapshot {
  uuid: string
  /** Number among the MIG devices of the GPU. */
  index: number
  /** `NVIDIA A100-SXM4-40GB MIG 1g.5gb`. */
  name: string | null
  /** `1g.5gb`, or `1c.3g.20gb`; null if neither the profiles nor the name could be read. */
  profile: string | null
  gpuInstanceId: number
  computeInstanceId: number
  memory: MigMemorySnapshot | null
  bar1: Bar1Snapshot | null
  /** Compute slices of its GPU instance. */
  gpuInstanceSlices: number | null
  /** Compute slices of its own. */
  computeInstanceSlices: number | null
  multiprocessors: number | null
  /** Shared by all MIG devices of its GPU instance. */
  engines: Engines | null
  /** Those in it; as {@link GpuSnapshot.processes}. */
  processes?: ProcessSnapshot[] | null
  unavailable: UnavailableFields
}

/**
 * A GPU. Every field but `index` and `migCapable` is null where it could not be read, and `unavailable` has the reason.
 * Fields that may be undefined are those that {@link SnapshotOptions} leaves out, or an older snapshot has not.
 */
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
  memory: MemorySnapshot | null
  bar1: Bar1Snapshot | null
  /** Whether it has MIG at all. */
  migCapable: boolean
  /** Null also on a GPU without MIG. */
  migMode: MigMode | null
  /** The most MIG devices it can have in its present mode: 0 while MIG is off. */
  maxMigDevices: number | null
  /** Whether the driver keeps the GPU initialised while nobody uses it. nvmlDeviceGetPersistenceMode. */
  persistenceMode?: boolean | null
  /** `default`, `prohibited`, `exclusive-process`; NVML's number as text if it is newer than this package. nvmlDeviceGetComputeMode. */
  computeMode?: string | null
  /** 0, the fastest, to 15; null also where NVML itself does not know it. nvmlDeviceGetPerformanceState. */
  performanceState?: number | null
  power?: PowerSnapshot | null
  /** Of the chip, °C. nvmlDeviceGetTemperatureV. */
  temperatureCelsius?: number | null
  clocks?: ClocksSnapshot | null
  utilization?: UtilizationSnapshot | null
  ecc?: EccSnapshot | null
  pcie?: PcieSnapshot | null
  /** As `nvidia-smi mig -lgip` lists them; none without MIG. Drivers before R550 tell them only while MIG is on. */
  profiles?: GpuInstanceProfileSnapshot[] | null
  /** By id; none while MIG is off. */
  gpuInstances?: GpuInstanceSnapshot[] | null
  /** By index; none while MIG is off. */
  migDevices?: MigDeviceSnapshot[] | null
  /**
   * While MIG is off; while it is on they are those of `migDevices`, and this has none, unless `instances` were left
   * out: then this has all. Null if one of NVML's lists could not be read. A list that the board or the driver does not
   * have is missing alone, and `unavailable` says so under `processes.graphics` or `processes.mps`.
   */
  processes?: ProcessSnapshot[] | null
  /** Under `gpu` why NVML would not open it: then nothing of it is known. */
  unavailable: UnavailableFields
}

/** A node as plain data: what `JSON.stringify` writes of it, `JSON.parse` gives back equal. */
export interface Snapshot {
  format: 'nvml-mig-snapshot/1'
  driver: DriverSnapshot
  gpus: GpuSnapshot[]
}
