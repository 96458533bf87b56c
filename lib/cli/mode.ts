import { Argument, type Command } from 'commander'
import type { Gpu, MigModeChange } from '../index.js'
import type { Cli } from './cli.js'
import { Exit, type ExitCode } from './exit.js'
import { headline, identity, missing, readMode, type Unavailable } from './reading.js'
import { gpusOf, namedGpus, type SourceOptions, withSession, withSource } from './source.js'
import { print, printJson } from './terminal.js'

const OUTCOMES: Record<MigModeChange['activation'], { code: ExitCode; sentence: string }> = {
  done: { code: Exit.done, sentence: '' },
  'in-use': {
    code: Exit.inUse,
    sentence: 'something holds the GPU; stop it (monitoring agents, a desktop) and reset the GPU: nvidia-smi -r -i '
  },
  'reset-required': {
    code: Exit.resetRequired,
    sentence: 'pending until the GPU is reset (a virtual machine: restarted): nvidia-smi -r -i '
  },
  unknown: { code: Exit.error, sentence: 'the driver answered with a code newer than this package: GPU ' },
  'not-supported': { code: Exit.error, sentence: 'pending; the GPU cannot be reset from here, restart the machine: GPU ' }
}

export function addMode(program: Command, cli: Cli): void {
  withSource(
    program
      .command('mode')
      .description('show the MIG mode, or turn it on or off')
      .addArgument(new Argument('[mode]', 'without it, the mode is shown').choices(['on', 'off']))
      .option('--gpu <gpu>', 'index, UUID, PCI address or all; must be named to change it')
  ).action((mode: 'on' | 'off' | undefined, options: SourceOptions) =>
    cli.finish(mode ? change(cli, mode === 'on', options) : show(cli, options))
  )
}

async function show(cli: Cli, options: SourceOptions): Promise<void> {
  await withSession(options, { readOnly: true }, async nvml => {
    const gpus = gpusOf(nvml, options.gpu)
    const read = await Promise.all(
      gpus.map(async gpu => {
        const unavailable: Unavailable = {}
        return { gpu, mode: await readMode(gpu, unavailable), unavailable }
      })
    )
    if (options.json) {
      printJson(cli.io, 'mode', {
        gpus: read.map(({ gpu, mode, unavailable }) => ({
          ...identity(gpu),
          migCapable: gpu.migCapable,
          migMode: mode,
          unavailable
        }))
      })
    } else {
      print(
        cli.io,
        ...read.flatMap(({ gpu, mode, unavailable }) => [headline(gpu, mode), ...missing(unavailable).map(each => `  ${each}`)])
      )
    }
  })
}

/** GPU by GPU; the worst outcome is the one the run ends with, and what one refuses leaves the others' standing. */
async function change(cli: Cli, on: boolean, options: SourceOptions): Promise<ExitCode> {
  return withSession(options, { readOnly: false }, async nvml => {
    const gpus = namedGpus(nvml, options.gpu, 'mode')
    const outcomes: { gpu: Gpu; result: MigModeChange }[] = []
    try {
      for (const gpu of gpus) outcomes.push({ gpu, result: await gpu.setMigMode(on) })
    } finally {
      if (options.json) printJson(cli.io, 'mode', { gpus: outcomes.map(({ gpu, result }) => ({ ...identity(gpu), ...result })) })
      else print(cli.io, ...outcomes.flatMap(({ gpu, result }) => outcomeLines(gpu, result)))
    }
    return Math.max(Exit.done, ...outcomes.map(({ result }) => OUTCOMES[result.activation].code)) as ExitCode
  })
}

function outcomeLines(gpu: Gpu, result: MigModeChange): string[] {
  const { sentence } = OUTCOMES[result.activation]
  return [headline(gpu, result), ...(sentence ? [`  ${sentence}${gpu.index}`] : [])]
}
