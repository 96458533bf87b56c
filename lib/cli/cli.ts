import { Exit } from './exit.js'
import type { Io } from './terminal.js'

/** One run of the command line: where it writes and how it ended. */
export class Cli {
  readonly io: Io
  exitCode: number = Exit.done

  constructor(io: Io) {
    this.io = io
  }

  /** Waits for what a verb does; the number it results in, if it does, is the exit code. */
  async finish(work: Promise<unknown>): Promise<void> {
    const code = await work
    if (typeof code === 'number') this.exitCode = code
  }
}
