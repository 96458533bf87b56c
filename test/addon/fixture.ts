/**
 * The fixture library (fixture_nvml.cc), built into a directory of the test's own, and what its
 * answers look like once decoded.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binding } from '../../lib/binding.js'
import { decodeResultHeader, decodeSessionInfo, NONE, resultHeaderBytes } from '../../lib/records.js'

const here = fileURLToPath(new URL('.', import.meta.url))

/** A call of the library that waits. */
export interface Hold {
  /** Resolves once the call is inside the library. */
  entered: Promise<void>
  /** Lets it go on; later calls of the function do not wait. */
  release(): Promise<void>
}

export class Fixture {
  readonly dir: string
  readonly library: string

  /** Compiles the library, leaving out the named functions, as an older release would; or with more slots for profiles, as a newer one. */
  constructor(dir: string, { without = [] as string[], newestForm = 3, profileSlots = 18 } = {}) {
    this.dir = dir
    this.library = join(dir, 'libnvidia-ml.so.1')
    const exports = join(dir, 'exports.map')
    writeFileSync(exports, `{ global: nvml*; local: ${without.map(name => `${name}; `).join('')}*; };`)
    const flags = [
      ...['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti'],
      ...[`-I${join(here, '../../native')}`, `-DNEWEST_FORM=${newestForm}`, `-DPROFILE_SLOTS=${profileSlots}`],
      ...['-shared', '-Wl,-Bsymbolic', '-Wl,-soname,libnvidia-ml.so.1', `-Wl,--version-script=${exports}`]
    ]
    // A sanitizer that is preloaded for the addon's sake would check the compiler too.
    const env: NodeJS.ProcessEnv = { ...process.env, LD_PRELOAD: '' }
    execFileSync(env.CXX ?? 'c++', [...flags, '-o', this.library, join(here, 'fixture_nvml.cc'), '-ldl'], { env })
  }

  /** The calls so far, in order; "unloaded" where the loader let go of the library. */
  calls(): string[] {
    const log = join(this.dir, 'calls')
    return existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
  }

  /** The calls since the last of this kind, so that a test sees its own only. */
  forgetCalls(): void {
    rmSync(join(this.dir, 'calls'), { force: true })
  }

  /** Makes a function return a code at once; null lets it work again. */
  answer(name: string, code: number | null): void {
    const file = join(this.dir, `answer.${name}`)
    if (code === null) rmSync(file)
    else writeFileSync(file, String(code))
  }

  /** Makes compute-instance info name the GPU instead of the MIG device. */
  nameGpuAsDevice(): void {
    writeFileSync(join(this.dir, 'device-is-gpu'), '')
  }

  hold(name: string): Hold {
    const fifo = join(this.dir, `hold.${name}`)
    execFileSync('mkfifo', [fifo])
    // Opening a FIFO to write waits for whoever reads it: the call.
    const writer = open(fifo, 'w')
    return {
      entered: writer.then(() => rmSync(fifo)),
      release: async () => (await writer).close()
    }
  }
}

/** What a result buffer says: `call` by name, the records decoded. */
export interface Outcome<T> {
  status: number
  call: string | null
  records: T[]
}

export function outcome(buffer: ArrayBuffer): Outcome<never>
export function outcome<T>(buffer: ArrayBuffer, decode: (view: DataView, at: number) => T, bytes: number, at?: number): Outcome<T>
export function outcome<T>(
  buffer: ArrayBuffer,
  decode?: (view: DataView, at: number) => T,
  bytes = 0,
  at = resultHeaderBytes
): Outcome<T> {
  const view = new DataView(buffer)
  const { status, call, count } = decodeResultHeader(view, 0)
  return {
    status,
    call: call === NONE ? null : binding().symbols()[call]!,
    records: decode ? Array.from({ length: count }, (_, i) => decode(view, at + i * bytes)) : []
  }
}

/** Opens a library that must open; the session's number. */
export async function openSession(library: string | null): Promise<number> {
  const buffer = await binding().open(library)
  const { status, call } = outcome(buffer)
  if (status !== 0) throw new Error(`${call} answered ${status}`)
  return decodeSessionInfo(new DataView(buffer), resultHeaderBytes).session
}

/** Resolves once the process has as many threads as told; they end on their own. */
export async function threadCount(wanted: number, count: () => number): Promise<void> {
  while (count() !== wanted) await new Promise(resolve => setImmediate(resolve))
}
