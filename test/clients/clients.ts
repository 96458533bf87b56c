/** The clients that scripts/install-clients.sh brings: where they are, and what it means when one is not there. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'

/** Debian's python3-pynvml, unpacked; a pynvml that Python has by itself serves as well. */
const unpacked = fileURLToPath(new URL('../../.cache/clients/usr/lib/python3/dist-packages', import.meta.url))

/** Set where the clients were installed for the purpose: there a missing one is a failure. */
const REQUIRED = process.env.NVML_MIG_TEST_CLIENTS === 'required'

/** What a command prints; undefined if it cannot be run or fails. */
export async function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return promisify(execFile)(command, [...args], { env: { ...process.env, ...env } }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined
  )
}

/** The environment in which python3 finds pynvml and leaves nothing behind in the sources. */
export const python: NodeJS.ProcessEnv = {
  PYTHONDONTWRITEBYTECODE: '1',
  ...(existsSync(unpacked) ? { PYTHONPATH: unpacked } : {})
}

/** Whether a client is there. If not, the test is skipped with how to get it, or fails where all have to be there. */
export function isHere(t: Test, client: string, version: string | undefined): boolean {
  if (version !== undefined) {
    t.comment(`${client} ${version}`)
    return true
  }
  const missing = `${client} is not here; scripts/install-clients.sh, run as root on Debian, brings it`
  if (REQUIRED) t.fail(missing)
  else t.plan(0, missing)
  return false
}
