import { createRequire } from 'node:module'
import { Command } from 'commander'
import { Cli } from './cli.js'
import { addCreate } from './create.js'
import { addDestroy } from './destroy.js'
import { report } from './exit.js'
import { addLayout } from './layout.js'
import { addList } from './list.js'
import { addMode } from './mode.js'
import { addPlacements, addProfiles } from './profiles.js'
import { addSimulate } from './simulate.js'
import { addSnapshot } from './snapshot.js'
import type { Io } from './terminal.js'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const NOTES = `
Verbs that change a GPU need it named by --gpu. Exit codes: 0 done or equal, 1 error, 2 differs, 3 a reset is
required, 4 in use, 5 an unknown profile or what does not fit. NVML_MIG_DEBUG=1 adds stack traces to errors.`

/** Carries out one command line and resolves with its exit code. It never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const cli = new Cli(io)
  const program = new Command('nvml-mig')
    .description('Cut NVIDIA GPUs into MIG devices: look, create, destroy; on real GPUs or on simulated ones.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      // Errors are told in one place, by report().
      outputError: () => {}
    })
    .addHelpText('after', NOTES)
  for (const add of [addList, addProfiles, addPlacements, addLayout, addMode, addCreate, addDestroy, addSnapshot, addSimulate])
    add(program, cli)
  try {
    await program.parseAsync(argv, { from: 'user' })
    return cli.exitCode
  } catch (error) {
    const end = argv.indexOf('--')
    return report(error, io, argv.slice(0, end < 0 ? undefined : end).includes('--json'))
  }
}
