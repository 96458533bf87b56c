/** Profiles of GPU instances and of compute instances: what they hold, where they may go, how they are named. */
import { type NvmlCode, nvmlCode } from './errors.js'
import { formatProfileName, parseProfileName, profileName } from './layout/profile-name.js'
import { type ComputeInstanceProfileRecord, type GpuInstanceProfileRecord, NONE } from './records.js'

/** Where an instance lies. A GPU instance counts memory slices of its GPU; a compute instance, compute slots of its GPU instance. */
export interface Placement {
  /** First slice or slot, from 0 on. */
  start: number
  /** How many, side by side. */
  size: number
}

/** Where a profile may go. */
export interface Placements {
  /** Everywhere on the board, whatever is there now. */
  possible: Placement[]
  /** Where nothing is in the way: it could be created there now or, while MIG is off, once it is on. */
  free: Placement[]
}

/** How many engines of each kind. */
export interface Engines {
  copy: number
  decoder: number
  encoder: number
  jpeg: number
  opticalFlow: number
}

/** Why something could not be read. */
export interface Unavailable {
  /** Its name without `NVML_ERROR_`. */
  code: NvmlCode
  /** The raw `nvmlReturn_t`. */
  status: number
  /** The NVML function that said so. */
  call: string
}

/** What {@link GpuInstanceProfile} and {@link ComputeInstanceProfile} have in common. */
export interface Profile {
  /** As the driver calls it, without `MIG `; worked out the driver's way where it gives no name (before R510). */
  name: string
  /** The driver's number for it: 9 for `3g.20gb` on an A100. Differs between boards, so names are safer. */
  id: number
  /** Its `NVML_GPU_INSTANCE_PROFILE_*` or `NVML_COMPUTE_INSTANCE_PROFILE_*` constant. */
  slot: number
  /** Compute slices. */
  slices: number
  /** Streaming multiprocessors. */
  multiprocessors: number
  /** Of a compute instance: shared by all compute instances of its GPU instance. */
  engines: Engines
  /** How many fit when there is nothing else. */
  maxInstances: number
  /** Everywhere it may go, or null if this driver or user cannot read that. */
  placements: readonly Placement[] | null
  /**
   * How many more could be created now, as the driver counts: 0 while MIG is off. Drivers before R515 can say 0 for
   * every profile of a GPU on which nothing was created yet (recorded on R510), though creating works:
   * `placements(profile).free` is right there too. Null if this driver or user cannot read it.
   */
  remaining: number | null
  /** For each field that is null: why. `call` is the oldest form of the function, without a version at its end. */
  unavailable?: { placements?: Unavailable; remaining?: Unavailable }
}

/** A kind of GPU instance that a GPU can be cut into. */
export interface GpuInstanceProfile extends Profile {
  /** Memory, MiB. */
  memoryMiB: number
}

/** A kind of compute instance that a GPU instance can be cut into. */
export interface ComputeInstanceProfile extends Profile {}

/** A profile name without the `MIG ` that the driver puts before it. */
export const bare = (name: string): string => name.replace(/^MIG /, '')

function whyNot(status: number, call: string): Unavailable | undefined {
  return status === 0 ? undefined : { code: nvmlCode(status), status, call }
}

interface Reading {
  placementStatus: number
  placements: Placement[]
  remaining: number
  remainingStatus: number
}

/** What of a profile may be unreadable. `owner` is the stem of the NVML functions asked. */
function readable(record: Reading, owner: string): Pick<Profile, 'placements' | 'remaining' | 'unavailable'> {
  const placements = whyNot(record.placementStatus, `${owner}PossiblePlacements`)
  const remaining = whyNot(record.remainingStatus, `${owner}RemainingCapacity`)
  return {
    placements: placements ? null : record.placements,
    remaining: remaining || record.remaining === NONE ? null : record.remaining,
    ...((placements || remaining) && { unavailable: { ...(placements && { placements }), ...(remaining && { remaining }) } })
  }
}

type SharedEngines = Record<`shared${'CopyEngine' | 'Decoder' | 'Encoder' | 'Jpeg' | 'Ofa'}Count`, number>

/** The engines that compute instances of a GPU instance share. */
export const enginesOf = (record: SharedEngines): Engines => ({
  copy: record.sharedCopyEngineCount,
  decoder: record.sharedDecoderCount,
  encoder: record.sharedEncoderCount,
  jpeg: record.sharedJpegCount,
  opticalFlow: record.sharedOfaCount
})

export function describeGpuInstanceProfile(record: GpuInstanceProfileRecord, gpuMemoryMiB: number): GpuInstanceProfile {
  const { slot, id, sliceCount: slices, memorySizeMiB: memoryMiB } = record
  return {
    name: bare(record.name) || profileName({ slot, slices, memoryMiB, gpuMemoryMiB }),
    id,
    slot,
    slices,
    memoryMiB,
    multiprocessors: record.multiprocessorCount,
    engines: {
      copy: record.copyEngineCount,
      decoder: record.decoderCount,
      encoder: record.encoderCount,
      jpeg: record.jpegCount,
      opticalFlow: record.ofaCount
    },
    maxInstances: record.instanceCount,
    ...readable(record, 'nvmlDeviceGetGpuInstance')
  }
}

export function describeComputeInstanceProfile(
  record: ComputeInstanceProfileRecord,
  gpuInstance: string
): ComputeInstanceProfile {
  return {
    name: bare(record.name) || computeProfileName(gpuInstance, record.sliceCount),
    id: record.id,
    slot: record.slot,
    slices: record.sliceCount,
    multiprocessors: record.multiprocessorCount,
    engines: enginesOf(record),
    maxInstances: record.instanceCount,
    ...readable(record, 'nvmlGpuInstanceGetComputeInstance')
  }
}

/** The driver's name for `slices` of a GPU instance: the attributes of the GPU instance do not stand in it. */
function computeProfileName(gpuInstance: string, slices: number): string {
  try {
    return formatProfileName({ ...parseProfileName(gpuInstance), computeSlices: slices, attributes: [] })
  } catch {
    // A name this package cannot take apart must not keep the rest from being read.
    return `${slices}c.${gpuInstance}`
  }
}

const ATTRIBUTE_ORDER = ['', '+me', '+gfx', '+me.all', '-me']

/** As `nvidia-smi mig -lgip` lists them: small before large, a profile before its variants. */
export function inOrder<P extends Pick<Profile, 'name' | 'slices' | 'slot'> & { memoryMiB?: number }>(profiles: P[]): P[] {
  const rank = ({ name }: P) => {
    const at = ATTRIBUTE_ORDER.indexOf(name.replace(/^[^+-]*/, ''))
    return at < 0 ? ATTRIBUTE_ORDER.length : at
  }
  return profiles.sort(
    (a, b) => a.slices - b.slices || (a.memoryMiB ?? 0) - (b.memoryMiB ?? 0) || rank(a) - rank(b) || a.slot - b.slot
  )
}
