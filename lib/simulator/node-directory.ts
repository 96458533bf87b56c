/**
 * The directory that is a node: made whole beside its place and moved there by one rename, so that
 * whatever is found under the final name is a node, whoever else makes one at the same time and
 * wherever a maker dies.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { compileImage, type NodePlan } from './compile-image.js'
import { NodeControl } from './control.js'
import { SimulatorError } from './errors.js'
import { armFault } from './faults.js'
import { putLayout } from './instances.js'
import { builtLibrary, libraryOf } from './node-library.js'
import { differences, type NodeRequest } from './request.js'
import { writeRoot } from './root-files.js'

const FORMAT = 'nvml-mig-node/1'
const LIBRARY = 'libnvidia-ml.so.1'
const parts = [LIBRARY, 'node.image', 'node.json', 'root']

/** node.json: what the node was asked to be, and what came of it, to read. */
interface NodeFile {
  readonly format: string
  readonly request: NodeRequest
}

/** Where a node is. */
export interface NodePlace {
  readonly dir: string
  readonly library: string
  readonly root: string
}

const placeOf = (dir: string): NodePlace => ({ dir, library: join(dir, LIBRARY), root: join(dir, 'root') })

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

function describe(request: NodeRequest, plan: NodePlan, library: Buffer): string {
  const node = {
    format: FORMAT,
    request,
    driver: { version: plan.release.version, nvml: plan.release.nvmlVersion, cuda: plan.release.cudaDriverVersion },
    gpus: plan.gpus.map(({ board, identity, filled }, index) => ({
      index,
      model: board.model,
      name: board.identity.name,
      uuid: identity.uuid,
      serial: identity.serial,
      pciBusId: identity.busId,
      ...(filled.length > 0 && { derived: filled })
    })),
    library: { sha256: createHash('sha256').update(library).digest('hex') }
  }
  return `${JSON.stringify(node, undefined, 2)}\n`
}

/**
 * Writes the whole node into a new directory. Everybody may read it, as everybody may ask a driver; who
 * may not write the image gets NO_PERMISSION for a change. The umask takes rights away as usual.
 */
async function fill(dir: string, request: NodeRequest, plan: NodePlan): Promise<void> {
  const library = libraryOf(plan.release, await readFile(builtLibrary()))
  await mkdir(dir, { mode: 0o755 })
  await writeRoot(join(dir, 'root'), plan)
  await writeFile(join(dir, LIBRARY), library, { mode: 0o644 })
  const description = describe(request, plan, library)
  await writeFile(join(dir, 'node.json'), description, { mode: 0o644 })
  await writeFile(join(dir, 'node.image'), compileImage(plan, description), { mode: 0o644 })
  const control = new NodeControl(join(dir, LIBRARY), dir)
  for (const [index, { layout }] of plan.gpus.entries()) if (layout) putLayout(control, index, layout)
  for (const fault of request.faults ?? []) armFault(control, fault)
}

/** The request that made the node in `dir`; undefined if nothing is there. Anything else is refused. */
async function findNode(dir: string): Promise<NodeRequest | undefined> {
  let names: string[]
  try {
    names = await readdir(dir)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    if (errorCode(error) === 'ENOTDIR') throw new SimulatorError('NOT_A_NODE', `${dir} is a file: a node needs a directory`)
    throw new SimulatorError('UNUSABLE_DIRECTORY', `${dir} cannot be read (${errorCode(error)})`, undefined, { cause: error })
  }
  if (names.length === 0) return undefined
  const refuse = (why: string): never => {
    throw new SimulatorError('NOT_A_NODE', `${dir} ${why}; it was left as it is. Choose a directory that is new or empty.`)
  }
  if (!names.includes('node.json') && !(names.includes('node.image') && names.includes(LIBRARY)))
    refuse(`holds ${names.slice(0, 3).join(', ')} and is no simulated node`)
  const missing = parts.filter(name => !names.includes(name))
  if (missing.length > 0) refuse(`is a damaged node: it has no ${missing.join(' and no ')}`)
  let made: Partial<NodeFile> | undefined
  try {
    made = JSON.parse(await readFile(join(dir, 'node.json'), 'utf8')) as Partial<NodeFile>
  } catch {
    refuse('has a node.json that cannot be read')
  }
  const { format, request } = made ?? {}
  if (format !== FORMAT) refuse(`has a node.json of format ${JSON.stringify(format)}; this version of nvml-mig reads ${FORMAT}`)
  const gpus: unknown = request?.gpus
  const isModel = (gpu: unknown): boolean => typeof (gpu as { model?: unknown } | null)?.model === 'string'
  if (!Array.isArray(gpus) || !gpus.every(isModel)) refuse('has a node.json without the request that made it')
  return request
}

/** Takes the node in `dir` if an equal request made it; undefined if there is none. */
async function attach(dir: string, request: NodeRequest): Promise<NodePlace | undefined> {
  const made = await findNode(dir)
  if (!made) return undefined
  const found = differences(request, made)
  if (found.length > 0) {
    throw new SimulatorError(
      'DIFFERENT_NODE',
      `${dir} holds another node: ${found.join('; ')}. Ask for that one, or choose another directory.`
    )
  }
  return placeOf(dir)
}

/** The path with its links followed, as far as it exists; makes the directories above it. */
async function settle(dir: string): Promise<string> {
  try {
    return await realpath(dir)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  await mkdir(dirname(dir), { recursive: true })
  return join(await realpath(dirname(dir)), basename(dir))
}

/** Makes the node under a name of its own, then moves it to `dir`, unless another one came first. */
async function make(dir: string, request: NodeRequest, plan: NodePlan): Promise<NodePlace> {
  const partial = `${dir}.partial-${randomBytes(8).toString('hex')}`
  try {
    await fill(partial, request, plan)
    await rename(partial, dir)
    return placeOf(dir)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (error instanceof SimulatorError) throw error
    const code = errorCode(error)
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      const place = await attach(dir, request)
      if (place) return place
    }
    if (code === undefined) throw error
    throw new SimulatorError(
      'UNUSABLE_DIRECTORY',
      `a node cannot be made in ${dir} (${code}): it must be possible to create and rename a directory in ${dirname(dir)}, ` +
        'and a mount point cannot be a node, though a directory in it can',
      undefined,
      { cause: error }
    )
  }
}

/** Makes a node in the temporary directory of the system. */
export function makeTemporaryNode(request: NodeRequest, plan: NodePlan): Promise<NodePlace> {
  return make(join(resolve(tmpdir()), `nvml-mig-node-${randomBytes(8).toString('hex')}`), request, plan)
}

/** Makes a node in `dir`, or takes the one that an equal request made there. */
export async function makeOrAttachNode(dir: string, request: NodeRequest, plan: NodePlan): Promise<NodePlace> {
  const place = await settle(resolve(dir)).catch((error: unknown) => {
    throw new SimulatorError('UNUSABLE_DIRECTORY', `a node cannot be made in ${dir} (${errorCode(error)})`, undefined, {
      cause: error
    })
  })
  return (await attach(place, request)) ?? make(place, request, plan)
}

/** Removes a node's directory; what clients still hold open stays until they let go. */
export async function removeNode({ dir }: NodePlace): Promise<void> {
  await rm(dir, { recursive: true, force: true })
}
