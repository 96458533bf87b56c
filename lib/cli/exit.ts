/** How a run ends: the exit codes, and errors as a sentence or as JSON. */
import { CommanderError } from 'commander'
import { LayoutError, NvmlError, SessionError } from '../index.js'
import { SimulatorError } from '../simulator/index.js'
import type { Io } from './terminal.js'

export const Exit = {
  done: 0,
  error: 1,
  /** What was compared is not equal. */
  differs: 2,
  resetRequired: 3,
  inUse: 4,
  /** An invalid profile, or a layout that does not fit. */
  impossible: 5
} as const

export type ExitCode = (typeof Exit)[keyof typeof Exit]

/** A sentence of the command line's own: wrong usage, or a wish it does not grant. */
export class UsageError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof LayoutError) return Exit.impossible
  if (error instanceof NvmlError) {
    if (error.code === 'INSUFFICIENT_RESOURCES') return Exit.impossible
    if (error.code === 'IN_USE') return Exit.inUse
    if (error.code === 'RESET_REQUIRED') return Exit.resetRequired
  }
  return Exit.error
}

/** An error as JSON: what a program decides on, then the words. */
export function errorAsJson(error: unknown): Record<string, unknown> {
  const { message, code, status, call, gpu, suggestions } = asError(error) as Error & Record<string, unknown>
  return { code: code ?? 'ERROR', message, hint: hintOf(error), status, call, gpu, suggestions }
}

/** What to do about it, in words of the shell where the library speaks of its methods. */
function hintOf(error: unknown): string | undefined {
  if (error instanceof SessionError && error.code === 'LIBRARY_NOT_FOUND') return 'Without a GPU: --simulate A100-SXM4-40GB'
  if (error instanceof SimulatorError && error.code === 'UNKNOWN_FIGURES') return 'Here: --fill derived'
  if (error instanceof NvmlError) {
    if (error.code === 'INSUFFICIENT_RESOURCES') {
      return 'nvml-mig layout shows what is free, nvml-mig placements PROFILE where a profile could go.'
    }
    if (error.code === 'NOT_FOUND') return 'nvml-mig list shows what there is.'
    if (error.code === 'NOT_SUPPORTED' && error.call === 'nvmlDeviceGetGpuInstanceProfileInfo') {
      return `The GPU has no MIG, or its MIG mode is off: drivers before R550 list profiles only while it is on (nvml-mig mode on --gpu ${error.gpu}).`
    }
    if (error.code === 'NOT_SUPPORTED') return 'The GPU has no MIG, or its MIG mode is off: nvml-mig mode shows it.'
    if (error.code === 'IN_USE' && error.call === 'nvmlGpuInstanceDestroy') {
      return 'Add --force to destroy its compute instances first, and end the processes that run in it.'
    }
  }
  return (error as { hint?: string }).hint
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** Tells why a run failed, on stderr, and says which exit code that is. */
export function report(error: unknown, io: Io, json: boolean): ExitCode {
  if (error instanceof CommanderError) return reportUsage(error, io, json)
  const { message, stack } = asError(error)
  const hint = hintOf(error)
  if (json) {
    io.stderr.write(`${JSON.stringify({ format: 'nvml-mig-error/1', ...errorAsJson(error) })}\n`)
  } else {
    io.stderr.write(`nvml-mig: ${message}\n`)
    if (hint) io.stderr.write(`${hint}\n`)
  }
  if (io.env.NVML_MIG_DEBUG) io.stderr.write(`${stack}\n`)
  return exitCodeOf(error)
}

function reportUsage(error: CommanderError, io: Io, json: boolean): ExitCode {
  // Help and version were written already; they end a run as an "error" of code 0 or, for help
  // that nobody asked for, 1.
  if (error.exitCode === 0) return Exit.done
  if (error.code !== 'commander.help') return report(new UsageError(error.message.replace(/^error: /, '')), io, json)
  return Exit.error
}
