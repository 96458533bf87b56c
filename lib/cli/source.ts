/** What a verb works on: the driver's library, another one, or a simulated node. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Gpu, open, type Session, type Snapshot } from '../index.js'
import { type Dialects, dialects, type SimulateOptions, simulate } from '../simulator/index.js'
import { problemOf } from '../simulator/problem.js'
import { UsageError } from './exit.js'

/** What a simulated node is made of besides its models. */
export interface NodeOptions {
  driver?: string
  variant?: string
  fill?: 'derived'
  dialect?: Dialects
}

/** Options that every verb has. */
export interface SourceOptions extends NodeOptions {
  simulate?: string
  from?: string
  library?: string
  gpu?: string
  json?: boolean
}

/** Adds the options that every verb has. */
export function withSource(command: Command): Command {
  return withNode(
    command.addOption(
      new Option('--simulate <models>', 'on a simulated node: MODEL[*N][,MODEL…], e.g. A100-SXM4-40GB*2').conflicts('library')
    ),
    'driver release that --simulate plays, e.g. 535'
  )
    .addOption(fromOption().conflicts(['simulate', 'library']))
    .option('--library <path>', 'an NVML library, or the directory of a simulated node, in place of the driver’s library')
    .option('--json', 'JSON on stdout, errors as JSON on stderr')
}

/** The option that names a snapshot to make a node of. */
export const fromOption = (): Option => new Option('--from <file>', 'on a simulated node made of a snapshot')

/** Adds the options that say what a simulated node is. */
export function withNode(command: Command, driver: string): Command {
  return command
    .option('--driver <release>', driver)
    .option('--variant <label>', 'make of the boards that docs/simulator.md lists, e.g. ecc')
    .addOption(
      new Option('--fill <how>', 'figures nobody recorded: computed by the formulas of docs/simulator.md').choices(['derived'])
    )
    .option('--dialect <names>', `NAME[,NAME…] of ${dialects.join(', ')}`, readDialects)
}

function readDialects(text: string): Dialects {
  const names = text.split(',')
  const unknown = names.find(name => !(dialects as readonly string[]).includes(name))
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no dialect '${unknown}'; there are ${dialects.join(', ')}.`)
  return Object.fromEntries(names.map(name => [name, true]))
}

/** What `simulate()` is asked for: MODEL[*N][,MODEL…] and what goes with it. */
export function simulation(models: string, { driver, variant, fill, dialect }: NodeOptions): SimulateOptions {
  return {
    gpus: models.split(',').map(model => (variant === undefined ? model : { model, variant })),
    ...(driver !== undefined && { driver }),
    ...(fill !== undefined && { fill }),
    ...(dialect !== undefined && { dialects: dialect })
  }
}

/** What `simulate()` is asked for: the snapshot in a file, and what goes with it. */
export function replay(file: string, { driver, variant, fill, dialect }: NodeOptions): SimulateOptions {
  const told = Object.entries({ driver, variant }).find(([, value]) => value !== undefined)
  if (told) throw new UsageError(`--${told[0]} is in the snapshot`)
  return {
    from: readSnapshot(file),
    ...(fill !== undefined && { fill }),
    ...(dialect !== undefined && { dialects: dialect })
  }
}

function readSnapshot(file: string): Snapshot {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  try {
    // What it is, simulate() checks.
    return JSON.parse(text) as Snapshot
  } catch (error) {
    throw new UsageError(`${file} is no JSON: ${(error as Error).message}`, 'nvml-mig snapshot -o FILE writes what --from reads.')
  }
}

/** The library of PATH: the file itself, or what a node's directory holds, and the root that goes with it. */
function librarySource(path: string): { library: string; root?: string } {
  if (!existsSync(path)) throw new UsageError(`${path} does not exist`)
  const library = statSync(path).isDirectory() ? join(path, 'libnvidia-ml.so.1') : path
  const root = join(dirname(library), 'root')
  return existsSync(join(dirname(library), 'node.json')) && existsSync(root) ? { library, root } : { library }
}

/**
 * Opens what the options name, lets `use` work with it and closes it again. A simulated node made
 * for this run goes with it.
 */
export async function withSession<T>(
  { simulate: models, from, library, ...options }: SourceOptions,
  { readOnly }: { readOnly: boolean },
  use: (nvml: Session) => Promise<T>
): Promise<T> {
  for (const name of ['driver', 'variant', 'fill', 'dialect'] as const) {
    if (models === undefined && from === undefined && options[name] !== undefined) {
      throw new UsageError(`--${name} goes with --simulate`)
    }
  }
  const asked = models !== undefined ? simulation(models, options) : from !== undefined ? replay(from, options) : undefined
  const node = asked && (await simulate(asked))
  try {
    const source: { library?: string; root?: string } = node
      ? { library: node.library, root: node.root }
      : library === undefined
        ? {}
        : librarySource(library)
    const nvml = await open({ ...source, readOnly }).catch((error: unknown) => {
      const problem = source.library === undefined ? undefined : problemOf(source.library)
      throw problem === undefined ? error : new UsageError(`the simulated node cannot be used: ${problem}`)
    })
    try {
      return await use(nvml)
    } finally {
      await nvml.close()
    }
  } finally {
    await node?.close()
  }
}

/** A profile as people write it: a name, or the driver's number as nvidia-smi takes it. */
export function profileOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
}

/** The GPUs that `--gpu` names; all of them without it. */
export function gpusOf(nvml: Session, reference: string | undefined): readonly Gpu[] {
  if (reference === undefined || reference === 'all') return nvml.gpus
  return [nvml.gpu(/^\d+$/.test(reference) ? Number(reference) : reference)]
}

/** The same for a verb that changes them, which must be told. */
export function namedGpus(nvml: Session, reference: string | undefined, verb: string): readonly Gpu[] {
  if (reference === undefined) throw unnamed(verb, ' or --gpu all')
  return gpusOf(nvml, reference)
}

/** The one GPU that a verb changes. */
export function namedGpu(nvml: Session, reference: string | undefined, verb: string): Gpu {
  if (reference === undefined) throw unnamed(verb)
  if (reference === 'all') throw new UsageError(`${verb} works on one GPU at a time`, 'Name it: --gpu 0')
  return gpusOf(nvml, reference)[0]!
}

function unnamed(verb: string, all = ''): UsageError {
  return new UsageError(`${verb} changes a GPU, so name it: --gpu 0, --gpu GPU-… or --gpu 00000000:07:00.0${all}`)
}
