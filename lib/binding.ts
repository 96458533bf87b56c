/**
 * The native addon, declared once: the only file that loads it. Loading waits for the first use, so
 * that `import 'nvml-mig'` never throws.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * What native code offers. A session is a number; `operation` is one of `Operation` in records.ts.
 * Promises always resolve, with a result buffer (records.ts: a ResultHeader, then records); a wrong
 * argument throws a TypeError. With `listen` the buffer ends with a CallRecord for each call of NVML.
 */
export interface Binding {
  /** Opens a library (null: the driver's), starts the session's worker and initialises NVML. */
  open(library: string | null, listen?: boolean): Promise<ArrayBuffer>
  /** The session that the last `open` began, whether it has an answer yet or not. */
  lastSession(): number
  /** Queues one operation on the session's worker. */
  call(session: number, operation: number, args: readonly number[], text?: string, listen?: boolean): Promise<ArrayBuffer>
  /** Queues the end of NVML and of the library; the session stays, and answers `suspended` until it is resumed. */
  suspend(session: number, listen?: boolean): Promise<ArrayBuffer>
  /** Queues what `open` does, for a session that is suspended: the same file is opened anew, GPUs keep their numbers. */
  resume(session: number, listen?: boolean): Promise<ArrayBuffer>
  /** Refuses new calls, waits for those queued, shuts NVML down and unloads the library. */
  close(session: number, listen?: boolean): Promise<ArrayBuffer>
  /** The call of NVML that the session's worker is in: its number among them, and its place in the symbol list; null if in none. */
  running(session: number): { number: number; call: number } | null
  /** Settles everything that runs or waits with `abandoned` and lets go of the worker. */
  abandon(session: number): void
  /** Names of the symbol list, by the index that ResultHeader.call holds. */
  symbols(): string[]
  /** Opens a simulated node's library for one command (simulator_control.h) and closes it again. */
  simulatorCommand(library: string, command: number, args: readonly number[], name?: string): { status: number; text: string }
  /** Calls of an exported function that a simulated node has counted. */
  simulatorCalls(library: string, name: string): number
}

let loaded: Binding | undefined

/** The path of the addon or of the simulator library that was built or shipped with this package. */
export function nativeFile(name: 'nvml_mig.node' | 'libnvidia-ml.so.1'): string {
  const places = ['../build/Release/', `../prebuilds/${process.platform}-${process.arch}/`].map(place =>
    fileURLToPath(new URL(place + name, import.meta.url))
  )
  const found = places.find(place => existsSync(place))
  if (found) return found
  throw new Error(
    `nvml-mig has no native code for ${process.platform}-${process.arch}: looked for ${places.join(' and ')}. ` +
      'Build it with `npx node-gyp rebuild` in the package folder (needs python3, make and a C++ compiler); binaries are shipped for linux-x64 with glibc.'
  )
}

export function binding(): Binding {
  loaded ??= createRequire(import.meta.url)(nativeFile('nvml_mig.node')) as Binding
  return loaded
}
