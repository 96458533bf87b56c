/** node.image: every field where the layout says, sums that a second implementation agrees with. */
import t from 'tap'
import { checksum } from '../../lib/simulator/checksum.js'
import { compileImage } from '../../lib/simulator/compile-image.js'
import {
  BARE_METAL,
  ComputeProfile,
  GpuBoard,
  GpuInstanceProfile,
  GpuState,
  IMAGE_HEADER_BYTES,
  ImageHeader,
  Node,
  NodeState,
  PASSTHROUGH,
  Readings,
  ROOT_RIGHT,
  Slot
} from '../../lib/simulator/image-layout.js'
import { planNode, readRequest, type SimulateOptions } from '../../lib/simulator/request.js'

const compile = (options: SimulateOptions) => compileImage(planNode(readRequest(options)))

/** The checksum in arithmetic mod 2^32 on big integers, straight from its definition. */
function slowChecksum(bytes: Buffer): bigint {
  const mod = 1n << 32n
  const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (32n - by))) % mod
  const lanes = [0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n]
  for (let i = 0; i < bytes.length / 4; i++) {
    const mixed = rotate(lanes[i % 4]! ^ BigInt(bytes.readUInt32LE(4 * i)), 13n)
    lanes[i % 4] = (mixed * 0x9e3779b1n + 0x7f4a7c15n) % mod
  }
  const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint]
  const low = ((a ^ rotate(b, 7n)) * 0x85ebca6bn) % mod
  const high = ((c ^ rotate(d, 11n)) * 0xc2b2ae35n) % mod
  return ((high ^ (high >> 16n)) << 32n) | (low ^ (low >> 16n))
}

interface Field {
  offset: number
  size: number
  count: number
}
const text = (image: Buffer, at: number, { offset, count }: Field) => {
  const bytes = image.subarray(at + offset, at + offset + count)
  return bytes.toString('utf8', 0, bytes.indexOf(0))
}
const u32 = (image: Buffer, at: number, { offset }: Field) => image.readUInt32LE(at + offset)
const u64 = (image: Buffer, at: number, { offset }: Field) => Number(image.readBigUInt64LE(at + offset))

t.test('the checksum', async t => {
  const samples = [Buffer.alloc(0), Buffer.alloc(64), Buffer.from('0123456789abcdef0123', 'latin1'), Buffer.alloc(4096, 0xff)]
  samples.push(Buffer.from(Array.from({ length: 2048 }, (_, i) => (i * i * 31 + 7) & 0xff)))
  for (const sample of samples) t.equal(checksum(sample, 0, sample.length), slowChecksum(sample), `${sample.length} bytes`)
  const shifted = Buffer.concat([Buffer.from('skip'), samples[2]!, Buffer.from('this')])
  t.equal(checksum(shifted, 4, 20), checksum(samples[2]!, 0, 20), 'of a part')
})

t.test('header and slots', async t => {
  const image = compile({ gpus: ['A100-SXM4-40GB*2', 'A30'] })
  t.equal(image.toString('latin1', 0, 7), 'NVMLMIG')
  t.equal(image[7], 0)
  const field = (name: 'fileBytes' | 'boardsOffset' | 'boardsBytes' | 'slotBytes' | 'current') => u64(image, 0, ImageHeader[name])
  t.equal(field('fileBytes'), image.length)
  t.equal(field('boardsOffset'), IMAGE_HEADER_BYTES)
  t.equal(field('boardsBytes'), Node.bytes + 3 * GpuBoard.bytes)
  t.equal(field('slotBytes'), Slot.bytes + NodeState.bytes + 3 * GpuState.bytes)
  t.equal(field('current'), 0)
  t.equal(u32(image, 0, ImageHeader.gpuCount), 3)
  t.equal(u32(image, 0, ImageHeader.retired), 0)
  t.notSame(image.subarray(24, 40), Buffer.alloc(16), 'a node has an id')
  t.notSame(image.subarray(24, 40), compile({ gpus: ['A30'] }).subarray(24, 40), 'of its own')

  t.equal(image.readBigUInt64LE(2040), slowChecksum(image.subarray(0, 2040)), 'header checksum')
  const boards = image.subarray(IMAGE_HEADER_BYTES, IMAGE_HEADER_BYTES + field('boardsBytes'))
  t.equal(image.readBigUInt64LE(ImageHeader.boardsChecksum.offset), slowChecksum(boards), 'boards checksum')
  const slots = [0, 1].map(i => Number(image.readBigUInt64LE(ImageHeader.slotOffset.offset + 8 * i))) as [number, number]
  t.ok(
    slots.every(slot => slot % 64 === 0),
    'slots start on 64-byte boundaries'
  )
  t.ok(slots[0] >= IMAGE_HEADER_BYTES + boards.length && slots[1] >= slots[0] + field('slotBytes'), 'nothing overlaps')
  t.ok(slots[1] + field('slotBytes') <= image.length)
  const content = image.subarray(slots[0] + 16, slots[0] + field('slotBytes'))
  t.equal(image.readBigUInt64LE(slots[0]), 0n, 'slot 0 holds change 0')
  t.equal(image.readBigUInt64LE(slots[0] + 8), slowChecksum(content))
  for (let gpu = 0; gpu < 3; gpu++) {
    const readings = NodeState.bytes + gpu * GpuState.bytes + GpuState.readings.offset
    t.ok(content.subarray(readings, readings + Readings.bytes).some(Boolean), 'each GPU shows something')
    content.fill(0, readings, readings + Readings.bytes)
  }
  t.equal(u32(content, 0, NodeState.rights), ROOT_RIGHT)
  content.fill(0, NodeState.rights.offset, NodeState.rights.offset + 4)
  t.same(content, Buffer.alloc(content.length), 'which is a node with nothing on it')
  t.not(image.readBigUInt64LE(slots[1] + 8), slowChecksum(content), 'slot 1 holds no change')
})

t.test('the node', async t => {
  const node = (options: Partial<SimulateOptions>) => compile({ gpus: ['A100-SXM4-40GB'], ...options })
  const image = node({})
  t.equal(text(image, IMAGE_HEADER_BYTES, Node.driverVersion), '550.163.01')
  t.equal(text(image, IMAGE_HEADER_BYTES, Node.nvmlVersion), '12.550.163.01')
  t.equal(u32(image, IMAGE_HEADER_BYTES, Node.cudaDriverVersion), 12040)
  t.equal(u32(image, IMAGE_HEADER_BYTES, Node.driverBranch), 550)
  t.equal(u32(image, IMAGE_HEADER_BYTES, Node.platform), BARE_METAL)
  t.equal(u32(node({ platform: 'passthrough' }), IMAGE_HEADER_BYTES, Node.platform), PASSTHROUGH)
  t.equal(u32(image, IMAGE_HEADER_BYTES, Node.legacyMigUuids), 0)
  t.equal(u32(node({ driver: '460' }), IMAGE_HEADER_BYTES, Node.legacyMigUuids), 1)
  const unprivileged = node({ privileged: false })
  const slot = Number(unprivileged.readBigUInt64LE(ImageHeader.slotOffset.offset))
  t.equal(u32(unprivileged, slot + Slot.bytes, NodeState.rights), 0)
})

t.test('a board', async t => {
  // Identity: mig-gpus rows of the two boards, from name tables and -q output.
  const image = compile({ gpus: ['A30', { model: 'H100-SXM5-80GB', giNumbering: 'swapped' }], driver: '535' })
  const [a30, h100] = [0, 1].map(i => IMAGE_HEADER_BYTES + Node.bytes + i * GpuBoard.bytes) as [number, number]
  t.equal(text(image, a30, GpuBoard.name), 'NVIDIA A30')
  t.equal(text(image, h100, GpuBoard.name), 'NVIDIA H100 80GB HBM3')
  t.match(text(image, a30, GpuBoard.uuid), /^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  t.match(text(image, a30, GpuBoard.serial), /^\d{13}$/)
  t.equal(text(image, a30, GpuBoard.busId), '00000000:07:00.0')
  t.equal(text(image, h100, GpuBoard.busId), '00000000:0F:00.0')
  t.equal(u32(image, h100, GpuBoard.pciBus), 15)
  t.equal(u32(image, h100, GpuBoard.minorNumber), 1)
  t.equal(u32(image, a30, GpuBoard.pciDeviceId), 0x20b710de)
  t.equal(u32(image, h100, GpuBoard.pciDeviceId), 0x233010de)
  t.equal(u32(image, a30, GpuBoard.architecture), 7, 'NVML_DEVICE_ARCH_AMPERE')
  t.equal(u32(image, h100, GpuBoard.architecture), 9, 'NVML_DEVICE_ARCH_HOPPER')
  t.same([u32(image, h100, GpuBoard.computeCapabilityMajor), u32(image, h100, GpuBoard.computeCapabilityMinor)], [9, 0])
  const flags = (at: number) =>
    [GpuBoard.modeNeedsReset, GpuBoard.swappedNumbering, GpuBoard.alignedComputeSlots].map(f => u32(image, at, f))
  t.same(flags(a30), [1, 0, 0])
  t.same(flags(h100), [0, 1, 1])
  t.same([u32(image, a30, GpuBoard.memorySlices), u32(image, a30, GpuBoard.maxMigDevices)], [4, 4])
  t.same([u64(image, h100, GpuBoard.memoryTotalMiB), u64(image, h100, GpuBoard.bar1TotalMiB)], [81559, 131072])

  const profile = (board: number, i: number) => board + GpuBoard.profiles.offset + i * GpuInstanceProfile.bytes
  const names = (board: number) =>
    Array.from({ length: u32(image, board, GpuBoard.profileCount) }, (_, i) =>
      text(image, profile(board, i), GpuInstanceProfile.name)
    )
  t.same(names(a30), ['MIG 1g.6gb', 'MIG 1g.6gb+me', 'MIG 2g.12gb', 'MIG 2g.12gb+me', 'MIG 4g.24gb'])
  t.same(
    [0, 1, 2, 3, 4].map(i => u32(image, profile(a30, i), GpuInstanceProfile.excludes)),
    [0, 0b1000, 0, 0b10, 0]
  )
  t.same(
    [0, 1, 2, 3, 4].map(i => u32(image, profile(a30, i), GpuInstanceProfile.slot)),
    [0, 7, 1, 8, 3]
  )
  const threeG = profile(h100, 4)
  t.equal(text(image, threeG, GpuInstanceProfile.name), 'MIG 3g.40gb')
  t.equal(u64(image, threeG, GpuInstanceProfile.memorySizeMiB), 40320, 'R535')
  t.same(
    [GpuInstanceProfile.id, GpuInstanceProfile.sliceCount, GpuInstanceProfile.placementSize, GpuInstanceProfile.startCount].map(
      f => u32(image, threeG, f)
    ),
    [9, 3, 4, 2]
  )
  t.same([...image.subarray(threeG + GpuInstanceProfile.starts.offset).subarray(0, 3)], [0, 4, 0])
  const full = threeG + GpuInstanceProfile.computeProfiles.offset + 2 * ComputeProfile.bytes
  t.equal(text(image, full, ComputeProfile.name), 'MIG 3g.40gb')
  t.same(
    [ComputeProfile.slot, ComputeProfile.sliceCount, ComputeProfile.placementSize].map(f => u32(image, full, f)),
    [2, 3, 4]
  )
})

t.test('a board of twelve memory slices and graphics profiles', async t => {
  const image = compile({ gpus: ['RTX-PRO-6000-Blackwell-Server'], driver: '580', fill: 'derived' })
  const board = IMAGE_HEADER_BYTES + Node.bytes
  t.equal(u32(image, board, GpuBoard.architecture), 10, 'NVML_DEVICE_ARCH_BLACKWELL')
  t.same([u32(image, board, GpuBoard.memorySlices), u32(image, board, GpuBoard.profileCount)], [12, 11])
  const rows = Array.from({ length: 11 }, (_, i) => board + GpuBoard.profiles.offset + i * GpuInstanceProfile.bytes)
  const names = rows.map(at => text(image, at, GpuInstanceProfile.name))
  const graphics = rows.filter(at => u32(image, at, GpuInstanceProfile.capabilities) === 2)
  t.same(
    graphics.map(at => text(image, at, GpuInstanceProfile.name)),
    ['MIG 1g.24gb+gfx', 'MIG 2g.48gb+gfx', 'MIG 4g.96gb+gfx'],
    'NVML_GPU_INSTANCE_PROFILE_CAPS_GFX'
  )
  // A +me.all instance admits -me ones alone; those admit everything.
  const excludedBy = (name: string) => {
    const bits = u32(image, rows[names.indexOf(`MIG ${name}`)]!, GpuInstanceProfile.excludes)
    return names.filter((_, i) => (bits >> i) & 1)
  }
  t.same(
    excludedBy('1g.24gb+me.all'),
    names.filter(name => !name.endsWith('-me') && name !== 'MIG 1g.24gb+me.all')
  )
  t.same(excludedBy('1g.24gb-me'), [])
  t.same(excludedBy('2g.48gb'), ['MIG 1g.24gb+me.all', 'MIG 2g.48gb+me.all'])
})

t.test('MIG UUIDs come back with the place and differ otherwise', async t => {
  const uuids = (options: SimulateOptions, gpu: number) => {
    const image = compile(options)
    const { offset, count } = GpuBoard.migUuids
    const at = IMAGE_HEADER_BYTES + Node.bytes + gpu * GpuBoard.bytes + offset
    return Array.from({ length: count / 16 }, (_, i) => image.toString('hex', at + 16 * i, at + 16 * (i + 1)))
  }
  const options = { gpus: ['A100-SXM4-40GB*2'] }
  const [first, second] = [uuids(options, 0), uuids(options, 1)]
  t.equal(first.length, 15 * 8)
  t.same(first, uuids({ ...options, driver: '535' }, 0), 'the same on every node with that board')
  t.equal(new Set([...first, ...second]).size, 240, 'one for each place on each board')
  // Version 5 and the RFC variant, as the recorded ones have: MIG-c788539f-c1ea-5a36-8b4d-9b07d024b1bb.
  t.ok([...first, ...second].every(uuid => uuid[12] === '5' && '89ab'.includes(uuid[16]!)))
})
