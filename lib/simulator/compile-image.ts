/** node.image: what a node is asked to be, laid out as native/simulator reads it. */
import { randomBytes } from 'node:crypto'
import { architectureNumber } from '../nvml-names.js'
import { type BoardRow, type ComputeProfileRow, excludedBeside, type GpuProfileRow } from './boards.js'
import { checksum } from './checksum.js'
import { type Dialects, dialectBits } from './dialects.js'
import type { MigEvents } from './events.js'
import type { FilledFigure } from './fill.js'
import type { BoardIdentity } from './identity.js'
import {
  BARE_METAL,
  Commons,
  ComputeProfile,
  GpuBoard,
  GpuInstanceProfile,
  GpuState,
  IMAGE_HEADER_BYTES,
  IMAGE_LAYOUT_VERSION,
  IMAGE_MAGIC,
  ImageHeader,
  MIG_EVENTS_ALL,
  MIG_EVENTS_NONE,
  MIG_EVENTS_OWN,
  Node,
  NodeState,
  PASSTHROUGH,
  Readings,
  Slot,
  VGPU_GUEST
} from './image-layout.js'
import type { PlacedLayout } from './instances.js'
import { type AllReadings, word } from './readings.js'
import { type Release, writesWideProcessRows } from './releases.js'

/** One GPU of a node: its board as the node's driver shows it, and what is its own. */
export interface NodeGpu {
  readonly board: BoardRow
  readonly identity: BoardIdentity
  /** The figures of the board that are computed, nobody having recorded them. */
  readonly filled: readonly FilledFigure[]
  readonly giNumbering: 'straight' | 'swapped'
  readonly readings: AllReadings
  /** NVML_BRAND_*. */
  readonly brand: number
  readonly vbiosVersion: string
  /** What is put on it once the image is there; undefined: MIG is off. */
  readonly layout: PlacedLayout | undefined
}

/** Everything an image is made from. */
export interface NodePlan {
  readonly release: Release
  readonly gpus: readonly NodeGpu[]
  readonly platform: 'bare-metal' | 'passthrough' | 'vgpu-guest'
  /** Of callers, NodeState.rights. */
  readonly rights: number
  readonly countsProcesses: boolean
  readonly dialects: Dialects
  readonly migEvents: MigEvents
  /** Whether a MIG UUID is made of the GPU's and the ids. */
  readonly legacyMigUuids: boolean
}

const PLATFORMS = { 'bare-metal': BARE_METAL, passthrough: PASSTHROUGH, 'vgpu-guest': VGPU_GUEST } as const

const MIG_EVENTS = { all: MIG_EVENTS_ALL, own: MIG_EVENTS_OWN, none: MIG_EVENTS_NONE } as const

/** NVML_DEVICE_ARCH_*. */
export const ARCHITECTURES: Readonly<Record<string, number>> = { Ampere: 7, Ada: 8, Hopper: 9, Blackwell: 10 }

/** 'Blackwell (GB202)' and 'Blackwell Ultra' are Blackwell to NVML. */
const architectureOf = ({ architecture }: BoardRow['identity']): number => architectureNumber(architecture.split(' ')[0]!)!

/** NVML_BRAND_NVIDIA_RTX for 'NVIDIA RTX PRO …', NVML_BRAND_NVIDIA for the rest: derived, the name says it. */
export const brandOf = ({ name }: BoardRow['identity']): number => (name.startsWith('NVIDIA RTX') ? 13 : 14)

/** NVML_GPU_INSTANCE_PROFILE_CAPS_P2P and _GFX. */
const P2P = 1
const GRAPHICS = 2

/** What a profile says it can do, in releases that ask: its name and its row tell. */
export const capabilitiesOf = ({ name, p2p, capabilities }: GpuProfileRow<null>): number =>
  capabilities ?? (name.endsWith('+gfx') ? GRAPHICS : 0) + (p2p ? P2P : 0)

/** The header's checksum covers what stands before it. */
const HEADER_CHECKED_BYTES = ImageHeader.headerChecksum.offset

type Value = number | bigint | boolean | string | Uint8Array | readonly number[]
type Layout = Readonly<Record<string, unknown>>
interface Field {
  readonly offset: number
  readonly type: unknown
  readonly size: number
  readonly count: number
}

/** The names of a struct's fields. */
type FieldOf<T extends Layout> = Exclude<keyof T & string, 'bytes'>

/** Writes fields of a struct at `at`, each by its own type; a value that does not fit is an error. */
export function put<T extends Layout>(
  image: Buffer,
  at: number,
  layout: T,
  values: { readonly [K in FieldOf<T>]?: Value }
): void {
  for (const [name, value] of Object.entries(values) as [string, Value][]) {
    const { offset, type, size, count } = layout[name] as Field
    const bytes = typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : undefined
    const items = bytes ?? (Array.isArray(value) ? (value as readonly number[]) : [value as number | bigint | boolean])
    if (items.length > count - (type === 'char' ? 1 : 0))
      throw new RangeError(`${name}: ${String(value)} is too long for the image`)
    for (const [i, item] of items.entries()) {
      const place = at + offset + i * size
      if (type === 'u64') image.writeBigUInt64LE(BigInt(item), place)
      else if (type === 'u32') image.writeUInt32LE(Number(item), place)
      else image.writeUInt8(Number(item), place)
    }
  }
}

/** What a profile of a release is compiled with besides its row. */
interface Naming {
  readonly computeSlots: number
  /** What the driver puts before a profile's name. */
  readonly prefix: string
}

/** The slot of a compute-instance profile. */
const slotOf = ({ id, slot = id }: ComputeProfileRow): number => slot

function putComputeProfile(image: Buffer, at: number, profile: GpuProfileRow, row: ComputeProfileRow, { prefix }: Naming): void {
  const { copyEngines, decoders, encoders, jpegs, ofas } = row.engines ?? profile.engines
  put(image, at, ComputeProfile, {
    slot: slotOf(row),
    id: row.id,
    sliceCount: row.slices,
    instanceCount: row.instances,
    multiprocessorCount: row.multiprocessors,
    sharedCopyEngineCount: copyEngines,
    sharedDecoderCount: decoders,
    sharedEncoderCount: encoders,
    sharedJpegCount: jpegs,
    sharedOfaCount: ofas,
    placementSize: row.size,
    startCount: row.starts.length,
    starts: row.starts,
    name: prefix + row.name
  })
}

function putProfile(image: Buffer, at: number, board: BoardRow, row: GpuProfileRow, naming: Naming): void {
  const { copyEngines, decoders, encoders, jpegs, ofas } = row.engines
  const computeProfiles = row.computeInstances.filter(compute => slotOf(compute) < naming.computeSlots)
  const excluded = excludedBeside(board, row.name)
  put(image, at, GpuInstanceProfile, {
    slot: row.slot,
    id: row.id,
    sliceCount: row.computeSlices,
    instanceCount: row.instances,
    multiprocessorCount: row.multiprocessors,
    copyEngineCount: copyEngines,
    decoderCount: decoders,
    encoderCount: encoders,
    jpegCount: jpegs,
    ofaCount: ofas,
    isP2pSupported: row.p2p,
    capabilities: capabilitiesOf(row),
    memorySizeMiB: row.memoryMiB,
    idleMemoryMiB: row.idleMemory.mib,
    excludes: board.profiles.reduce((bits, { name }, i) => (excluded.has(name) ? bits + 2 ** i : bits), 0),
    placementSize: row.memorySlices,
    startCount: row.starts.length,
    computeProfileCount: computeProfiles.length,
    reportedInstanceCount: row.reportedInstances ?? row.instances,
    starts: row.starts,
    name: naming.prefix + row.name
  })
  const { offset, size } = GpuInstanceProfile.computeProfiles
  for (const [i, compute] of computeProfiles.entries()) putComputeProfile(image, at + offset + i * size, row, compute, naming)
}

function putBoard(
  image: Buffer,
  at: number,
  { board, identity, giNumbering, brand, vbiosVersion }: NodeGpu,
  naming: Naming
): void {
  const [major, minor] = board.identity.computeCapability.split('.').map(Number) as [number, number]
  put(image, at, GpuBoard, {
    name: board.identity.name,
    uuid: identity.uuid,
    serial: identity.serial,
    boardPartNumber: identity.boardPartNumber,
    vbiosVersion,
    busId: identity.busId,
    pciDomain: identity.pciDomain,
    pciBus: identity.pciBus,
    pciDevice: identity.pciDevice,
    pciDeviceId: Number(board.identity.pciDeviceId),
    pciSubSystemId: Number(board.identity.pciSubSystemId),
    minorNumber: identity.minorNumber,
    architecture: architectureOf(board.identity),
    brand,
    computeCapabilityMajor: major,
    computeCapabilityMinor: minor,
    modeNeedsReset: board.modeNeedsReset,
    swappedNumbering: giNumbering === 'swapped',
    memorySlices: board.identity.memorySlices,
    maxMigDevices: board.identity.maxMigDevices,
    alignedComputeSlots: board.alignedComputeSlots,
    memoryTotalMiB: board.identity.memoryTotalMiB,
    bar1TotalMiB: board.identity.bar1TotalMiB,
    profileCount: board.profiles.length,
    migUuids: identity.migUuids
  })
  const { offset, size } = GpuBoard.profiles
  for (const [i, profile] of board.profiles.entries()) putProfile(image, at + offset + i * size, board, profile, naming)
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64

/**
 * The whole image as one buffer: header, Node, boards, the two slots of the live part, and
 * what processes share word by word. Slot 0 holds
 * change 0, a node with MIG off on every GPU; slot 1 holds nothing yet. `description` is the node.json that
 * will lie beside it.
 */
export function compileImage(plan: NodePlan, description = ''): Buffer {
  const { release, gpus, platform, rights, countsProcesses, dialects, migEvents, legacyMigUuids } = plan
  const firstBoard = IMAGE_HEADER_BYTES + Node.bytes
  const boardsBytes = Node.bytes + gpus.length * GpuBoard.bytes
  const slotBytes = Slot.bytes + NodeState.bytes + gpus.length * GpuState.bytes
  const firstSlot = aligned(IMAGE_HEADER_BYTES + boardsBytes)
  const slots = [firstSlot, firstSlot + aligned(slotBytes)] as const
  const commons = slots[1] + aligned(slotBytes)
  const image = Buffer.alloc(commons + aligned(Commons.bytes))
  const text = Buffer.from(description)
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 3)])

  put(image, IMAGE_HEADER_BYTES, Node, {
    driverVersion: release.version,
    nvmlVersion: release.nvmlVersion,
    cudaDriverVersion: release.cudaDriverVersion,
    driverBranch: release.branch,
    gpuInstanceProfileSlots: release.gpuInstanceProfileSlots,
    computeInstanceProfileSlots: release.computeInstanceProfileSlots,
    platform: PLATFORMS[platform],
    countsProcesses,
    migEvents: MIG_EVENTS[migEvents],
    legacyMigUuids,
    wideProcessRows: writesWideProcessRows(release),
    dialects: dialectBits(dialects)
  })
  const naming = { computeSlots: release.computeInstanceProfileSlots, prefix: dialects.plainMigNames ? '' : 'MIG ' }
  for (const [i, gpu] of gpus.entries()) putBoard(image, firstBoard + i * GpuBoard.bytes, gpu, naming)

  put(image, slots[0] + Slot.bytes, NodeState, { rights })
  for (const [i, gpu] of gpus.entries()) {
    const at = slots[0] + Slot.bytes + NodeState.bytes + i * GpuState.bytes
    const words = Object.entries(gpu.readings).map(([name, value]) => [name, word(value)])
    put(image, at + GpuState.readings.offset, Readings, Object.fromEntries(words))
  }
  put(image, slots[0], Slot, { seq: 0, checksum: checksum(image, slots[0] + Slot.bytes, slotBytes - Slot.bytes) })
  put(image, slots[1], Slot, { seq: 2n ** 64n - 1n })

  put(image, 0, ImageHeader, {
    magic: IMAGE_MAGIC,
    layoutVersion: IMAGE_LAYOUT_VERSION,
    headerBytes: IMAGE_HEADER_BYTES,
    fileBytes: image.length,
    nodeId: randomBytes(16),
    boardsOffset: IMAGE_HEADER_BYTES,
    boardsBytes,
    boardsChecksum: checksum(image, IMAGE_HEADER_BYTES, boardsBytes),
    slotOffset: slots,
    slotBytes,
    commonsOffset: commons,
    commonsBytes: Commons.bytes,
    gpuCount: gpus.length,
    nodeBytes: Node.bytes,
    gpuBoardBytes: GpuBoard.bytes,
    nodeStateBytes: NodeState.bytes,
    gpuStateBytes: GpuState.bytes,
    descriptionBytes: text.length,
    descriptionChecksum: text.length > 0 ? checksum(padded, 0, padded.length) : 0
  })
  put(image, 0, ImageHeader, { headerChecksum: checksum(image, 0, HEADER_CHECKED_BYTES) })
  return image
}
