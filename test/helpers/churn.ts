/** A client in a process of its own, which creates and destroys at random until it is stopped. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CHURN = fileURLToPath(new URL('./processes/churn.mjs', import.meta.url))

export function churn(library: string, count: number, seed: number) {
  const child = spawn(process.execPath, [CHURN, library, String(count), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return { child, lines: createInterface({ input: child.stdout }) }
}

/** Kills the child as soon as it tells of step `stop`; the number of the step, and how it ended. */
export async function killAt(library: string, seed: number, stop: number): Promise<{ step: number; signal: string | null }> {
  // It would go on for ever: however late the signal reaches it, it is in the middle of a step.
  const { child, lines } = churn(library, Number.POSITIVE_INFINITY, seed)
  let step = 0
  lines.on('line', line => {
    if (!/^\d+$/.test(line) || Number(line) < stop) return
    step ||= Number(line)
    child.kill('SIGKILL')
  })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return { step, signal }
}
