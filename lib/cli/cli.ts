import { Exit, type ExitCode } from './exit.js'
import type { Io } from './terminal.js'

/** One run of the command line: where it writes and how it ended. */
export class Cli {
  readonly io: Io
  exitCode: number = Exit.done

  constructor(io: Io) {
    this.io = io
  }

  /** Waits for what a verb does and keeps the exit code it ends with. */
  async finish(work: Promise<ExitCode | number | undefined | void>): Promise<void> {
    this.exitCode = (await work) ?? Exit.done
  }
}
