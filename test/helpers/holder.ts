/** Another process that has NVML initialised: helpers/processes/holder.mjs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { SimulatedNode } from '../../lib/simulator/index.js'

const PROGRAM = fileURLToPath(new URL('./processes/holder.mjs', import.meta.url))

export class Holder {
  readonly process: ChildProcess
  readonly #lines: Interface

  constructor(node: SimulatedNode) {
    this.process = spawn(process.execPath, [PROGRAM, node.library, node.root], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.process.stdout! })
  }

  get pid(): number {
    return this.process.pid!
  }

  /** The next thing it says. */
  async says(): Promise<unknown> {
    const [line] = (await once(this.#lines, 'line')) as [string]
    return JSON.parse(line)
  }

  /** What it sees on GPU 0. */
  async looks(): Promise<unknown> {
    this.process.stdin!.write('look\n')
    return await this.says()
  }

  /** Ends it: by the end of its input, as an agent that is told to stop, or by a signal. */
  async end(signal?: NodeJS.Signals): Promise<unknown> {
    const exit = once(this.process, 'exit')
    if (signal === undefined) this.process.stdin!.end()
    else this.process.kill(signal)
    const [code, by] = (await exit) as [number | null, NodeJS.Signals | null]
    return by ?? code
  }
}

/** Starts one and waits until it is initialised, or has said why it is not. */
export async function startHolder(t: Test, node: SimulatedNode): Promise<{ holder: Holder; said: unknown }> {
  const holder = new Holder(node)
  t.teardown(() => void holder.process.kill('SIGKILL'))
  return { holder, said: await holder.says() }
}
