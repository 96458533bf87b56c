/** 7 of the twelve tests: JavaScript and C++ agree on where everything in node.image is and on every sum. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { checksum } from '../../lib/simulator/checksum.js'
import { compileImage } from '../../lib/simulator/compile-image.js'
import * as layout from '../../lib/simulator/image-layout.js'
import { planNode, readRequest } from '../../lib/simulator/request.js'
import type { Programs } from './programs.js'

const { ComputeInstance, ComputeProfile, GpuBoard, GpuInstance, GpuInstanceProfile, GpuState, ImageHeader } = layout
const { Client, Node, NodeState, Slot } = layout
const structs = {
  Client,
  ComputeInstance,
  ComputeProfile,
  GpuBoard,
  GpuInstance,
  GpuInstanceProfile,
  GpuState,
  ImageHeader,
  Node,
  NodeState,
  Slot
}

interface Field {
  readonly offset: number
  readonly type: unknown
  readonly size: number
  readonly count: number
}

/** The fields of a struct, in order. */
const fieldsOf = (struct: object): [string, Field][] =>
  Object.entries(struct).filter((entry): entry is [string, Field] => entry[0] !== 'bytes')

const GPUS = ['A100-SXM4-40GB*2', 'A30', 'H100-SXM5-80GB']

/** Every struct and field is where C++ has it. */
export function sameLayout(t: Test, programs: Programs): void {
  const names = Object.entries(structs).flatMap(([name, struct]) => [
    [name, `sizeof(${name})`, '0'],
    ...fieldsOf(struct).map(([field]) => [`${name}.${field}`, `sizeof(${name}::${field})`, `offsetof(${name}, ${field})`])
  ])
  const source = join(programs.folder, 'layout.cc')
  const prints = names.map(([name, size, offset]) => `  std::printf("${name} %zu %zu\\n", ${size}, ${offset});\n`)
  writeFileSync(
    source,
    `#include <cstdio>
#include "simulator/image_layout.h"
using namespace nvml_mig::simulator;
int main() {
${prints.join('')}}
`
  )
  const native = fileURLToPath(new URL('../../native', import.meta.url))
  execFileSync(process.env.CXX ?? 'g++', ['-std=c++20', `-I${native}`, source, '-o', `${source}.out`])
  const lines = execFileSync(`${source}.out`, { encoding: 'utf8' }).trim().split('\n')
  const theirs = new Map(lines.map(line => [line.split(' ')[0], line.split(' ').slice(1).map(Number)]))
  for (const [name, struct] of Object.entries(structs)) {
    t.same(theirs.get(name), [struct.bytes, 0], name)
    for (const [field, { offset, size, count }] of fieldsOf(struct)) {
      t.same(theirs.get(`${name}.${field}`), [size * count, offset], `${name}.${field}`)
    }
  }
  t.comment(`${names.length} structs and fields`)
}

/** No struct has bytes that JavaScript does not know. */
export function noHoles(t: Test): void {
  for (const [name, struct] of Object.entries(structs)) {
    let end = 0
    const holes: string[] = []
    for (const [field, { offset, size, count }] of fieldsOf(struct)) {
      if (offset !== end) holes.push(field)
      end = offset + size * count
    }
    // The parts of the header that change have a cache line each, and its sum stands before them.
    t.same(holes, name === 'ImageHeader' ? ['headerChecksum', 'retired'] : [], name)
    if (name !== 'ImageHeader') t.equal(end, struct.bytes, name)
  }
}

/** The checksum of any bytes. */
export async function sameChecksums(t: Test, programs: Programs): Promise<void> {
  const scrambled = (_: unknown, i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 24
  const blocks = [0, 4, 8, 12, 16, 20, 60, 64, 2040, 4096, 40_000].flatMap(length => [
    Buffer.alloc(length),
    Buffer.alloc(length, 0xff),
    Buffer.from(Array.from({ length }, scrambled))
  ])
  const file = join(programs.folder, 'blocks')
  const length = (block: Buffer) => Buffer.from(Uint32Array.of(block.length).buffer)
  writeFileSync(file, Buffer.concat(blocks.flatMap(block => [length(block), block])))
  const { stdout, stderr } = await programs.start(t, 'plain/describe', { file, modes: ['checksums'] })
  t.equal(stderr, '')
  const ours = blocks.map(block => checksum(block, 0, block.length).toString(16).padStart(16, '0'))
  t.same(stdout.trim().split('\n'), ours)
  t.comment(`${blocks.length} blocks`)
}

/** C++ reads what JavaScript wrote, and JavaScript what C++ wrote. */
export async function sameContents(t: Test, programs: Programs): Promise<void> {
  const plan = planNode(readRequest({ gpus: GPUS }))
  const folder = await programs.newFolder()
  const file = join(folder, 'fresh.image')
  writeFileSync(file, compileImage(plan))
  const { stdout, stderr } = await programs.start(t, 'plain/describe', { file, folder, modes: ['contents'] })
  t.equal(stderr, '')
  const lines = stdout.trim().split('\n')
  const of = (...kinds: string[]) => lines.filter(line => kinds.includes(line.split(' ')[0]!))

  const { version, nvmlVersion, cudaDriverVersion } = plan.release
  t.same(of('driver'), [`driver ${version} ${nvmlVersion} ${cudaDriverVersion}`])
  t.same(
    of('gpu', 'profile'),
    plan.gpus.flatMap(({ board, identity }, i) => [
      `gpu ${i} ${identity.uuid} ${identity.busId} ${board.identity.memoryTotalMiB}`,
      ...board.profiles.map(
        ({ id, name, memoryMiB, memorySlices, computeInstances }) =>
          `profile ${id} MIG ${name} ${memoryMiB} ${memorySlices} ${computeInstances.length}`
      )
    ])
  )

  const image = readFileSync(join(folder, 'node.image'))
  const current = image.readBigUInt64LE(ImageHeader.current.offset)
  t.same(of('change'), [`change ${current}`])
  const slot = Number(image.readBigUInt64LE(ImageHeader.slotOffset.offset + Number(current & 1n) * 8))
  const bytes = Number(image.readBigUInt64LE(ImageHeader.slotBytes.offset)) - Slot.bytes
  t.equal(image.readBigUInt64LE(slot + Slot.seq.offset), current, 'the active slot holds the newest change')
  t.equal(image.readBigUInt64LE(slot + Slot.checksum.offset), checksum(image, slot + Slot.bytes, bytes), 'and is sealed')
  t.same(of('gi', 'ci'), instancesIn(image, slot + Slot.bytes + NodeState.bytes, plan.gpus.length))
}

/** The live instances as the program prints them, read by the layout that JavaScript has. */
function instancesIn(image: Buffer, gpus: number, count: number): string[] {
  const line = (kind: string, of: number, at: number, { stamp, id, profile, start, size }: Record<string, Field>) => {
    const numbers = [id, profile, start, size].map(field => image.readUInt8(at + field!.offset))
    return `${kind} ${of} ${image.readUInt32LE(at + stamp!.offset)} ${numbers.join(' ')}`
  }
  const records = (at: number, { offset, size, count }: Field) =>
    Array.from({ length: count }, (_, i) => at + offset + i * size).filter(record => image.readUInt32LE(record) !== 0)
  return Array.from({ length: count }, (_, gpu) =>
    records(gpus + gpu * GpuState.bytes, GpuState.gpuInstances).flatMap(at => [
      line('gi', gpu, at, GpuInstance as unknown as Record<string, Field>),
      ...records(at, GpuInstance.computeInstances).map(compute =>
        line('ci', image.readUInt8(at + GpuInstance.id.offset), compute, ComputeInstance as unknown as Record<string, Field>)
      )
    ])
  ).flat()
}
