// What the fuzz targets start from, written to a folder: nodes as `simulate()` makes them, and where
// each field of an image lies.
//   node native/tests/fuzz/nodes.mjs FOLDER
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checksum } from '../../../dist/simulator/checksum.js'
import { compileImage } from '../../../dist/simulator/compile-image.js'
import { dialects } from '../../../dist/simulator/dialects.js'
import { ImageHeader } from '../../../dist/simulator/image-layout.js'
import { planNode, readRequest } from '../../../dist/simulator/request.js'
import { layOut } from '../../../scripts/generate/layout.mjs'

/** Boards with every rule of their own, on releases with every quirk of theirs. */
const NODES = {
  'a100-450': { gpus: ['A100-SXM4-40GB'], driver: '450' },
  'a100-a30-460': { gpus: ['A100-PCIE-40GB', 'A30'], driver: '460' },
  'a100-swapped-470': { gpus: [{ model: 'A100-SXM4-80GB', giNumbering: 'swapped' }], driver: '470' },
  'a30-510': { gpus: ['A30'], driver: '510' },
  'h100-stale-525': { gpus: ['H100-PCIE-80GB'], driver: '525', dialects: { staleMigHandles: true } },
  'h100-a100-535': { gpus: ['H100-SXM5-80GB', 'A100-SXM4-40GB'], driver: '535' },
  'a100-wide-rows-535': { gpus: ['A100-SXM4-40GB'], driver: '535.54.03' },
  'a100-passthrough-550': { gpus: ['A100-SXM4-40GB'], driver: '550', platform: 'passthrough' },
  'h200-unprivileged-550': { gpus: ['H200-141GB'], driver: '550', privileged: false },
  'rtx-pro-6000-580': { gpus: ['RTX-PRO-6000-Blackwell-Server'], driver: '580', fill: 'derived' },
  'a30-dialects-550': { gpus: ['A30'], driver: '550', dialects: Object.fromEntries(dialects.map(name => [name, true])) }
}

/** The same bytes each time, so that an input does what it did. */
function imageOf(name, description) {
  const image = compileImage(planNode(readRequest(NODES[name])), description)
  const { nodeId, headerChecksum } = ImageHeader
  image.fill(name.padEnd(nodeId.count), nodeId.offset, nodeId.offset + nodeId.count)
  image.writeBigUInt64LE(checksum(image, 0, headerChecksum.offset), headerChecksum.offset)
  return image
}

/** The fields that are numbers or texts, at whatever depth: a name, an offset, and the lists it is in. */
function* leaves(structs, { name, fields }, path = name, at = 0, lists = []) {
  for (const field of fields) {
    const inner = structs.find(struct => struct.name === field.base)
    const all = field.count === undefined ? lists : [...lists, { count: field.count, stride: field.size }]
    const place = { path: `${path}.${field.name}`, offset: at + field.offset, lists: all }
    if (inner) yield* leaves(structs, inner, place.path, place.offset, all)
    else yield { ...place, bytes: field.size }
  }
}

/** FIELD(part, name, offset, bytes, {count, stride}, …) for each. */
function fieldTable() {
  const source = fileURLToPath(new URL('../../simulator/image_layout.json', import.meta.url))
  const { structs } = layOut(JSON.parse(readFileSync(source, 'utf8')))
  const parts = ['ImageHeader', 'Node', 'GpuBoard', 'Slot', 'NodeState', 'GpuState', 'Commons']
  return parts.flatMap(part =>
    [
      ...leaves(
        structs,
        structs.find(struct => struct.name === part)
      )
    ].map(
      ({ path, offset, bytes, lists }) =>
        `FIELD(k${part}, "${path}", ${offset}, ${bytes}${lists.map(({ count, stride }) => `, {${count}, ${stride}}`).join('')})\n`
    )
  )
}

const folder = process.argv[2]
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const [name, request] of Object.entries(NODES)) {
  const description = JSON.stringify(request)
  writeFileSync(join(folder, `${name}.json`), description)
  writeFileSync(join(folder, `${name}.image`), imageOf(name, description))
}
writeFileSync(join(folder, 'fields.inc'), fieldTable().join(''))
