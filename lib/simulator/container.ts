/** Containers of a node: some of its GPUs, or some of their MIG devices, as a process in a container sees them. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { checkOptions, shown, wholeNumber } from '../arguments.js'
import { series } from '../layout/suggest.js'
import { checksum } from './checksum.js'
import { put } from './compile-image.js'
import { Command, type NodeControl } from './control.js'
import { IMAGE_LAYOUT_VERSION, VIEW_IDS, VIEW_MAGIC, View } from './image-layout.js'
import type { NodePlace } from './node-directory.js'
import { type Capability, checkCapabilities, rightBits } from './rights.js'
import { capabilityMinor, MIG_CAPABILITIES, paths } from './root-files.js'

/** A MIG device: a compute instance by the index of its GPU and the ids that NVML gives. */
export interface VisibleDevice {
  readonly gpu: number
  readonly gpuInstance: number
  readonly computeInstance: number
}

/** What {@link SimulatedNode.container} takes. */
export interface ContainerOptions {
  /** Indices of the GPUs that are seen as a whole, with every MIG device they have and will have. `[]`: none at all. */
  readonly gpus?: readonly number[]
  /** MIG devices that are seen, each of which lives; what is created later with the same ids is seen too. */
  readonly devices?: readonly VisibleDevice[]
  /** 'mig/config': may create and destroy instances; 'mig/monitor': sees all of them. */
  readonly capabilities?: readonly Capability[]
  /** The GPUs of which nothing is seen: 'denied', they are counted and cannot be opened; 'absent', they are not there. 'denied' if left out. */
  readonly others?: 'denied' | 'absent'
}

/** A container of a simulated node, until `close()`: what the host changes, it sees, and the other way round. */
export interface SimulatedContainer {
  /** The directory, below the node's: `LD_LIBRARY_PATH=DIR client`. */
  readonly dir: string
  /** Its own libnvidia-ml.so.1. */
  readonly library: string
  /** The root of its /proc and /dev. */
  readonly root: string
  /** Removes the directory. The second time nothing happens. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

interface Visible {
  readonly gpus: readonly number[]
  readonly devices: readonly VisibleDevice[]
  readonly capabilities: readonly Capability[]
  readonly others: 'denied' | 'absent'
}

const OTHERS = ['denied', 'absent'] as const

function list<T>(what: string, value: readonly T[] | undefined, example: string): readonly T[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new TypeError(`container: ${what} is a list such as ${example}, not ${shown(value)}`)
  return value
}

/** Refuses the second of two alike. */
function refuseTwice<T>(what: string, items: readonly T[], nameOf: (item: T) => string): void {
  const names = items.map(nameOf)
  const again = names.find((name, i) => names.indexOf(name) !== i)
  if (again !== undefined) throw new RangeError(`container: ${what} has ${again} twice`)
}

/** Checks what a container is to see. That its MIG devices live is asked of the node later. */
function check(options: ContainerOptions, gpuCount: number): Visible {
  checkOptions('container', options, ['gpus', 'devices', 'capabilities', 'others'])
  if (options.gpus === undefined && options.devices === undefined) {
    throw new TypeError('container: gpus or devices says what is seen; { gpus: [] } is a container without any GPU')
  }
  const gpu = (what: string, index: unknown): number => {
    if (wholeNumber(what, index) < gpuCount) return index as number
    const has = gpuCount === 1 ? 'GPU 0 alone' : `GPUs 0 to ${gpuCount - 1}`
    throw new RangeError(`${what}: there is no GPU ${index}; this node has ${has}`)
  }
  const gpus = list('gpus', options.gpus, '[0, 1]').map((index, i) => gpu(`container: gpus[${i}]`, index))
  refuseTwice('gpus', gpus, index => `GPU ${index}`)
  const devices = list('devices', options.devices, '[{ gpu: 0, gpuInstance: 1, computeInstance: 0 }]').map((device, i) => {
    const what = `container: devices[${i}]`
    checkOptions(what, device, ['gpu', 'gpuInstance', 'computeInstance'])
    const checked = {
      gpu: gpu(`${what}.gpu`, device.gpu),
      gpuInstance: wholeNumber(`${what}.gpuInstance`, device.gpuInstance),
      computeInstance: wholeNumber(`${what}.computeInstance`, device.computeInstance)
    }
    if (gpus.includes(checked.gpu)) throw new RangeError(`${what} is on GPU ${checked.gpu}, which gpus has as a whole`)
    return checked
  })
  refuseTwice(
    'devices',
    devices,
    it => `compute instance ${it.computeInstance} of GPU instance ${it.gpuInstance} of GPU ${it.gpu}`
  )
  const capabilities = checkCapabilities('container', options.capabilities, false)
  const { others = OTHERS[0] } = options
  if (!OTHERS.includes(others))
    throw new RangeError(`container: others is ${series(OTHERS.map(shown), 'or')}, not ${shown(others)}`)
  return { gpus, devices, capabilities, others }
}

/** node.view, as native/simulator/view.cc reads it. */
function viewFile({ gpus, devices, capabilities, others }: Visible): Buffer {
  const seen = new Uint8Array(View.devices.count)
  for (const { gpu, gpuInstance, computeInstance } of devices) seen[gpu * VIEW_IDS + gpuInstance]! |= 1 << computeInstance
  const file = Buffer.alloc(View.bytes)
  put(file, 0, View, {
    magic: VIEW_MAGIC,
    layoutVersion: IMAGE_LAYOUT_VERSION,
    rights: rightBits(false, capabilities),
    gpus: gpus.reduce((bits, gpu) => bits | (1 << gpu), 0),
    othersAbsent: others === 'absent',
    devices: seen
  })
  put(file, 0, View, { checksum: checksum(file, 0, View.checksum.offset) })
  return file
}

/** Ids of the instances that a directory of capabilities shows: 'gi', of a GPU; 'ci', of a GPU instance. */
async function idsIn(dir: string, kind: 'gi' | 'ci'): Promise<number[]> {
  const names = await readdir(dir).catch(() => [])
  return names.filter(name => name.startsWith(kind)).map(name => Number(name.slice(kind.length)))
}

/** The nodes of everything that lives on a GPU now. A container's /dev does not change after its start. */
async function nodesOn(root: string, gpu: number): Promise<string[]> {
  const instances = await idsIn(join(root, paths.gpuCapabilities(gpu), 'mig'), 'gi')
  const minors = instances.map(async gi => {
    const computes = await idsIn(join(root, paths.gpuInstance(gpu, gi)), 'ci')
    return [capabilityMinor(gpu, gi), ...computes.map(ci => capabilityMinor(gpu, gi, ci))]
  })
  return (await Promise.all(minors)).flat().map(paths.capabilityNode)
}

/** What the container's root/ has of the node's: paths of files and directories. */
async function linksOf({ gpus, devices, capabilities }: Visible, root: string, minors: readonly number[]): Promise<Set<string>> {
  const whole = gpus.map(index => minors[index]!)
  const parts = devices.map(({ gpu, gpuInstance, computeInstance }) => ({ gpu: minors[gpu]!, gpuInstance, computeInstance }))
  return new Set([
    paths.version,
    paths.migMinors,
    ...paths.controlNodes,
    ...capabilities.flatMap(name => [paths.capability(name), paths.capabilityNode(MIG_CAPABILITIES[name].minor)]),
    ...[...whole, ...parts.map(({ gpu }) => gpu)].map(paths.gpuNode),
    ...whole.map(paths.gpuCapabilities),
    ...(await Promise.all(whole.map(gpu => nodesOn(root, gpu)))).flat(),
    ...parts.flatMap(({ gpu, gpuInstance, computeInstance }) => [
      join(paths.gpuInstance(gpu, gpuInstance), 'access'),
      join(paths.gpuInstance(gpu, gpuInstance), `ci${computeInstance}`),
      paths.capabilityNode(capabilityMinor(gpu, gpuInstance)),
      paths.capabilityNode(capabilityMinor(gpu, gpuInstance, computeInstance))
    ])
  ])
}

/** Links to what is at `target`, relative, so that the node's directory can be moved or mounted elsewhere. */
const link = (target: string, path: string): Promise<void> => symlink(relative(dirname(path), target), path)

async function fill(dir: string, node: NodePlace, visible: Visible, minors: readonly number[]): Promise<void> {
  const root = join(dir, 'root')
  await mkdir(root, { recursive: true, mode: 0o755 })
  for (const path of await linksOf(visible, node.root, minors)) {
    await mkdir(join(root, dirname(path)), { recursive: true, mode: 0o755 })
    await link(join(node.root, path), join(root, path))
  }
  await writeFile(join(dir, 'node.view'), viewFile(visible), { mode: 0o644 })
  for (const name of ['node.json', 'node.image']) await link(join(node.dir, name), join(dir, name))
  await copyFile(node.library, join(dir, basename(node.library)))
}

/** The containers of one node. */
export class Containers {
  readonly #place: NodePlace
  readonly #control: NodeControl
  readonly #minors: readonly number[]
  readonly #made = new Set<Promise<SimulatedContainer>>()

  /** `minors`: the minor number of each GPU. */
  constructor(place: NodePlace, control: NodeControl, minors: readonly number[]) {
    this.#place = place
    this.#control = control
    this.#minors = minors
  }

  make(options: ContainerOptions): Promise<SimulatedContainer> {
    const made = this.#make(options)
    this.#made.add(made)
    made.catch(() => this.#made.delete(made))
    return made
  }

  /** Removes those that there are, and those that are being made. */
  async close(): Promise<void> {
    for (const made of await Promise.allSettled(this.#made)) if (made.status === 'fulfilled') await made.value.close()
  }

  async #make(options: ContainerOptions): Promise<SimulatedContainer> {
    const visible = check(options, this.#minors.length)
    this.#control.command(Command.check)
    for (const { gpu, gpuInstance, computeInstance } of visible.devices) {
      this.#control.command(Command.findDevice, gpu, gpuInstance, computeInstance)
    }
    const all = join(this.#place.dir, 'containers')
    const dir = join(all, randomBytes(8).toString('hex'))
    const remove = async (): Promise<void> => {
      await rm(dir, { recursive: true, force: true })
      await rmdir(all).catch(() => {}) // others are in it
    }
    try {
      await fill(dir, this.#place, visible, this.#minors)
    } catch (error) {
      await remove()
      throw error
    }
    let closing: Promise<void> | undefined
    const close = (): Promise<void> => {
      closing ??= remove()
      return closing
    }
    const library = join(dir, basename(this.#place.library))
    return { dir, library, root: join(dir, 'root'), close, [Symbol.asyncDispose]: close }
  }
}
