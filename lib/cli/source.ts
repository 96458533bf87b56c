/** What a verb works on: the driver's library, another one, or a simulated node. */
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { type Gpu, open, type Session } from '../index.js'
import { type SimulateOptions, simulate } from '../simulator/index.js'
import { UsageError } from './exit.js'

/** Options that every verb has. */
export interface SourceOptions {
  simulate?: string
  driver?: string
  fill?: 'derived'
  library?: string
  gpu?: string
  json?: boolean
}

/** Adds the options that every verb has. */
export function withSource(command: Command): Command {
  return command
    .addOption(
      new Option('--simulate <models>', 'on a simulated node: MODEL[*N][,MODEL…], e.g. A100-SXM4-40GB*2').conflicts('library')
    )
    .option('--driver <release>', 'driver release that --simulate plays, e.g. 535')
    .addOption(fillOption())
    .option('--library <path>', 'an NVML library, or the directory of a simulated node, in place of the driver’s library')
    .option('--json', 'JSON on stdout, errors as JSON on stderr')
}

/** For boards of which not every figure is known. */
export function fillOption(): Option {
  return new Option('--fill <how>', 'figures nobody recorded: computed by the formulas of docs/simulator.md').choices(['derived'])
}

/** What `simulate()` is asked for: MODEL[*N][,MODEL…] and what goes with it. */
export function simulation(
  models: string,
  { driver, fill }: { driver?: string | undefined; fill?: 'derived' | undefined }
): SimulateOptions {
  return { gpus: models.split(','), ...(driver !== undefined && { driver }), ...(fill !== undefined && { fill }) }
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
  { simulate: models, driver, fill, library }: SourceOptions,
  { readOnly }: { readOnly: boolean },
  use: (nvml: Session) => Promise<T>
): Promise<T> {
  if (driver !== undefined && models === undefined) throw new UsageError('--driver goes with --simulate')
  if (fill !== undefined && models === undefined) throw new UsageError('--fill goes with --simulate')
  const node = models === undefined ? undefined : await simulate(simulation(models, { driver, fill }))
  try {
    const source = node ? { library: node.library, root: node.root } : library === undefined ? {} : librarySource(library)
    const nvml = await open({ ...source, readOnly })
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
