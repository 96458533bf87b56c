/**
 * The checksum of node.image, word for word what native/simulator computes: four lanes of 32 bits
 * over little-endian words, folded into 64.
 */
const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

/** The checksum of `length` bytes from `start`, both multiples of 4. */
export function checksum(bytes: Buffer, start: number, length: number): bigint {
  const lanes = Int32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)
  for (let i = 0; i < length / 4; i++) {
    const mixed = rotate(lanes[i & 3]! ^ bytes.readInt32LE(start + 4 * i), 13)
    lanes[i & 3] = Math.imul(mixed, 0x9e3779b1) + 0x7f4a7c15
  }
  const fold = (a: number, b: number, factor: number): bigint => {
    const folded = Math.imul(a ^ b, factor)
    return BigInt((folded ^ (folded >>> 16)) >>> 0)
  }
  const low = fold(lanes[0]!, rotate(lanes[1]!, 7), 0x85ebca6b)
  const high = fold(lanes[2]!, rotate(lanes[3]!, 11), 0xc2b2ae35)
  return (high << 32n) | low
}
