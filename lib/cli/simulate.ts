import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { type SimulatedNode, simulate } from '../simulator/index.js'
import type { Cli } from './cli.js'
import { UsageError } from './exit.js'
import { fromOption, type NodeOptions, replay, simulation, withNode } from './source.js'
import { type Io, print, printJson } from './terminal.js'

interface SimulateOptions extends NodeOptions {
  dir?: string
  gpus?: string
  from?: string
  json?: boolean
}

const USUAL = 'A100-SXM4-40GB'

const EXAMPLES = `
Examples:
  nvml-mig simulate --gpus A100-SXM4-40GB*2 -- my-nvml-client
  nvml-mig simulate --dialect migIndexHoles,plainMigNames -- my-nvml-client
  nvml-mig simulate --gpus A30 --dir /tmp/a30      makes a node that stays
  nvml-mig list --library /tmp/a30                 looks at it
  nvml-mig simulate --from host.json -- my-client  on the node of a snapshot`

export function addSimulate(program: Command, cli: Cli): void {
  withNode(
    program
      .command('simulate')
      .description('make a simulated node, and run a command on it')
      .argument('[command...]', 'any program that opens libnvidia-ml.so.1; after --')
      .option('--gpus <models>', `MODEL[*N][,MODEL…] (default: ${USUAL})`)
      .addOption(fromOption().conflicts('gpus')),
    'driver release to play, e.g. 535'
  )
    .option('--dir <path>', 'where the node lives; it stays there and can be used again')
    .option('--json', 'JSON on stdout (without a command)')
    .addHelpText('after', EXAMPLES)
    .action((command: string[], options: SimulateOptions) =>
      cli.finish(command.length > 0 ? runOn(cli.io, command, options) : make(cli.io, options))
    )
}

function request({ gpus = USUAL, from, ...release }: SimulateOptions, dir: string | undefined) {
  return { ...(from === undefined ? simulation(gpus, release) : replay(from, release)), ...(dir !== undefined && { dir }) }
}

/** Makes a node that stays, and says how to use it. */
async function make(io: Io, options: SimulateOptions): Promise<void> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'nvml-mig-')))
  const node = await simulate(request(options, dir))
  await node.close()
  if (options.json) {
    printJson(io, 'simulate', { dir: node.dir, library: node.library, root: node.root })
    return
  }
  print(
    io,
    node.dir,
    '',
    'Every NVML client that is started with this directory first on its library path sees the simulated GPUs:',
    `  LD_LIBRARY_PATH=${node.dir} my-nvml-client`,
    `  nvml-mig list --library ${node.dir}`,
    '',
    `It stays until it is removed: rm -r ${node.dir}`
  )
}

/** Runs a command that finds the node where the driver's library would be; ends as it ends. */
async function runOn(io: Io, [program, ...args]: string[], options: SimulateOptions): Promise<number> {
  if (options.json) throw new UsageError('--json says where a node is; with a command, stdout is the command’s')
  const node = await simulate(request(options, options.dir))
  try {
    return await exitOf(spawn(program!, args, { stdio: 'inherit', env: environment(io, node) }), program!)
  } finally {
    await node.close()
  }
}

function environment(io: Io, { dir }: SimulatedNode): Record<string, string | undefined> {
  const path = io.env.LD_LIBRARY_PATH
  return { ...io.env, LD_LIBRARY_PATH: path ? `${dir}:${path}` : dir }
}

/** The exit code of a child, as a shell counts it: 128 and the signal's number for one that was killed. */
async function exitOf(child: ChildProcess, program: string): Promise<number> {
  // The terminal sends these to the child as well; this process only has to outlive it, to tidy up.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const pass = (signal: NodeJS.Signals) => void child.kill(signal)
  for (const signal of signals) process.on(signal, pass)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + constants.signals[signal!]
  } catch (error) {
    throw new UsageError(`cannot run ${program}: ${(error as Error).message}`)
  } finally {
    for (const signal of signals) process.off(signal, pass)
  }
}
