import type { Command } from 'commander'
import { type ComparedFigure, type ComparedGpu, type Comparison, compareWithRows } from '../simulator/index.js'
import type { Cli } from './cli.js'
import { Exit, type ExitCode } from './exit.js'
import { writeWhole } from './output-file.js'
import { type SourceOptions, withSession, withSource } from './source.js'
import { type Io, print, table } from './terminal.js'

interface SnapshotOptions extends SourceOptions {
  output?: string
  compact?: boolean
  compare?: boolean
}

const EXAMPLES = `
Examples:
  nvml-mig snapshot -o host.json                    keeps this node: serials and UUIDs are in it
  nvml-mig simulate --from host.json -- my-client   plays it elsewhere
  nvml-mig snapshot --compare -o boards.json        what the simulator's rows do not know of these boards;
                                                    nothing in it names the machine, so it can be sent`

export function addSnapshot(program: Command, cli: Cli): void {
  withSource(
    program
      .command('snapshot')
      .description('the whole node as JSON, which simulate --from takes; only reads')
      .option('-o, --output <file>', 'write the JSON there, for its owner to read')
      .option('--compact', 'JSON on one line')
      .option(
        '--compare',
        'what differs from the simulator’s rows of these boards, or is not known there; exit code 2 if they differ, 1 if one could not be compared'
      )
  )
    .addHelpText('after', EXAMPLES)
    .action((options: SnapshotOptions) =>
      cli.finish(
        withSession(options, { readOnly: true }, async nvml => {
          const snapshot = await nvml.snapshot()
          if (!options.compare) return await give(cli.io, snapshot, options)
          const comparison = compareWithRows(snapshot)
          if (options.json || options.output !== undefined) await give(cli.io, comparison, options)
          if (!options.json) print(cli.io, ...asText(comparison, options.output))
          return exitCode(comparison)
        })
      )
    )
}

function exitCode({ equal, gpus }: Comparison): ExitCode {
  if (equal) return Exit.done
  return gpus.some(({ result }) => result === 'different') ? Exit.differs : Exit.error
}

/** Prints a document, or writes it to the file that was named. */
async function give(io: Io, document: object, { output, compact }: SnapshotOptions): Promise<void> {
  const text = compact ? JSON.stringify(document) : JSON.stringify(document, null, 2)
  if (output === undefined) print(io, text)
  else await writeWhole(output, `${text}\n`)
}

const count = (figures: readonly unknown[]): string => `${figures.length} figure${figures.length === 1 ? '' : 's'}`

/** A figure as one word or a few; of a whole profile its name, the file has the rest. */
function inWords(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (Array.isArray(value)) return `{${value.join(',')}}`
  if (typeof value === 'object') return String((value as { name?: unknown }).name ?? JSON.stringify(value))
  return String(value)
}

const ours = ({ row, confidence }: ComparedFigure): string =>
  row === null && confidence === 'unknown' ? 'unknown' : `${inWords(row)}${confidence === null ? '' : ` (${confidence})`}`

function figureTable(figures: readonly ComparedFigure[]): string[] {
  const rows = figures.map(each => [
    each.of === null ? each.figure : `${each.figure} of ${each.of}`,
    ours(each),
    inWords(each.driver)
  ])
  return table([['figure', 'ours (strength)', 'driver'], ...rows]).map(line => `    ${line}`)
}

function gpuLines(gpu: ComparedGpu): string[] {
  const { indices, name, result, model, variant, differences, settles, unread, board } = gpu
  const start = `GPU ${indices.join(', ')}:`
  if (result === 'no-mig') return [`${start} ${name ?? 'without a name'}: no MIG`]
  if (model === null && board === null) return [`${start} could not be read (${unread.join(', ').replace('gpu: ', '')})`]
  const row = model === null ? 'no row' : `row ${model}${variant === null ? '' : `, make '${variant}'`}`
  const isEqual = differences.length === 0 && board === null
  const missing = unread.length > 0 ? `, ${count(unread)} could not: ${unread.join(', ')}` : ''
  return [
    `${start} ${name ?? 'without a name'}: ${row}`,
    ...(board ? ['  a board that the simulator does not have: everything it tells is worth most'] : []),
    ...(isEqual ? [missing ? `  equal in what could be read${missing}` : '  equal to the row'] : []),
    ...(result === 'unread'
      ? ['  no profile could be compared: run as root and, where the driver is older than R550, with MIG on']
      : []),
    ...(differences.length > 0 ? [`  differs in ${count(differences)}`, ...figureTable(differences)] : []),
    ...(settles.length > 0
      ? [`  tells ${count(settles)} that the row does not know, or only derives: worth most`, ...figureTable(settles)]
      : []),
    ...(isEqual ? [] : unread.map(reason => `  not compared: ${reason}`))
  ]
}

function asText({ driver, gpus }: Comparison, file: string | undefined): string[] {
  const worth = gpus.some(({ differences, settles, board }) => differences.length > 0 || settles.length > 0 || board !== null)
  const where = file === undefined ? 'nvml-mig snapshot --compare -o FILE writes it as one' : `${file} has it all`
  return [
    `Driver ${driver.version}`,
    ...(gpus.length === 0 ? ['', 'No GPU is here that could be compared.'] : gpus.flatMap(gpu => ['', ...gpuLines(gpu)])),
    ...(worth ? ['', `A file of it helps the simulator, and names neither machine nor board: ${where}.`] : [])
  ]
}
