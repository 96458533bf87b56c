/** The command line as a test drives it: arguments in, text and exit code out. */
import type { Test } from 'tap'
import { run } from '../../lib/cli/run.js'
import { open, type Session } from '../../lib/index.js'
import { type SimulatedNode, type SimulateOptions, simulate } from '../../lib/simulator/index.js'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** A terminal of a width, that can show colours. */
export interface Terminal {
  columns?: number
  colors?: boolean
  env?: Record<string, string>
}

export async function nvmlMig(args: readonly string[], { columns, colors, env = {} }: Terminal = {}): Promise<Outcome> {
  const outcome = { code: 0, stdout: '', stderr: '' }
  const stdout = {
    write: (text: string) => {
      outcome.stdout += text
    },
    ...(columns !== undefined && { columns }),
    ...(colors !== undefined && { hasColors: (given?: object) => colors && !(given as { NO_COLOR?: string }).NO_COLOR })
  }
  const stderr = {
    write: (text: string) => {
      outcome.stderr += text
    }
  }
  outcome.code = await run(args, { stdout, stderr, env })
  return outcome
}

export interface Stage {
  node: SimulatedNode
  nvml: Session
  /** Runs a command line on the node; its words are separated by spaces. */
  on(line: string, terminal?: Terminal): Promise<Outcome>
}

/** A node for command lines, and a session to look behind them. */
export async function stage(
  t: Test,
  request: SimulateOptions = { gpus: ['A100-SXM4-40GB'] },
  { mig = false } = {}
): Promise<Stage> {
  const node = await simulate(request)
  t.teardown(() => node.close())
  const nvml = await open({ library: node.library, root: node.root })
  t.teardown(() => nvml.close())
  if (mig) for (const gpu of nvml.gpus) await gpu.setMigMode(true)
  return { node, nvml, on: (line, terminal) => nvmlMig([...line.split(' '), '--library', node.dir], terminal) }
}
