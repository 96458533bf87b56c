/**
 * What tells one board from another. Real serials and UUIDs belong to real boards, so a simulated
 * board's are derived: the same node made twice has the same ones, and no two of its boards share any.
 */
import { createHash } from 'node:crypto'

const digest = (...parts: (string | number)[]): Buffer => createHash('sha1').update(parts.join('\0')).digest()

/** The first 16 bytes with the version nibble of a name-based UUID (5) and the RFC variant. */
function uuidBytes(...parts: (string | number)[]): Buffer {
  const bytes = digest(...parts).subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes
}

const uuidText = (bytes: Buffer): string => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** GPU-instance ids run from 0 (the whole board) to 14, compute slots from 0 to 7. */
export const GPU_INSTANCE_IDS = 15
export const COMPUTE_SLOTS = 8

/** The parts of a board's identity that are its own. */
export interface BoardIdentity {
  readonly uuid: string
  /** 13 digits, as NVIDIA's are. */
  readonly serial: string
  readonly boardPartNumber: string
  /** The number in /dev/nvidia<n>. */
  readonly minorNumber: number
  readonly pciDomain: number
  readonly pciBus: number
  readonly pciDevice: number
  /** '00000000:07:00.0'. */
  readonly busId: string
  /** 16 bytes for each place a compute instance can have, by GPU-instance id, then first compute slot. */
  readonly migUuids: Buffer
}

/**
 * The identity of the board at `index`. A MIG UUID follows from the board's serial, the GPU-instance id
 * and the first compute slot, as the driver derives it from the same three in a way of its own: destroyed
 * and created again at the same place, an instance has the same UUID.
 */
export function identify(model: string, index: number): BoardIdentity {
  const serial = (digest('serial', model, index).readBigUInt64LE() % 10n ** 13n).toString().padStart(13, '0')
  const part = (digest('board part number', model).readUInt32LE() % 10 ** 9).toString().padStart(9, '0')
  const pciBus = 7 + 8 * index
  const places = Array.from({ length: GPU_INSTANCE_IDS * COMPUTE_SLOTS }, (_, place) =>
    uuidBytes('MIG device', serial, Math.floor(place / COMPUTE_SLOTS), place % COMPUTE_SLOTS)
  )
  return {
    uuid: `GPU-${uuidText(uuidBytes('GPU', model, index))}`,
    serial,
    boardPartNumber: `SIM-${part.slice(0, 5)}-${part.slice(5)}`,
    minorNumber: index,
    pciDomain: 0,
    pciBus,
    pciDevice: 0,
    busId: `00000000:${pciBus.toString(16).toUpperCase().padStart(2, '0')}:00.0`,
    migUuids: Buffer.concat(places)
  }
}
