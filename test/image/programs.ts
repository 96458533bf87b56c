/** The C++ programs of native/tests/image: built once for the tests that run them, each run on an image of its own. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { compileImage } from '../../lib/simulator/compile-image.js'
import { planNode, readRequest } from '../../lib/simulator/request.js'
import { FULL, SEED } from '../helpers/run.js'

const sources = fileURLToPath(new URL('../../native/tests/image', import.meta.url))

const SKIPPED = 77

/** How the simulator's sources are compiled into a program: see the Makefile. */
export type Way = 'plain' | 'stepped' | 'in-place' | 'tsan' | 'sanitized'
export type Program = `${Way}/${string}`
const isSanitized = (program: Program) => /^(tsan|sanitized)\//.test(program)

/** A sanitizer wants addresses where they were when it was written. */
const FIXED_ADDRESSES: Program = 'plain/fixed_addresses'

/** Boards of two makes, so that a state fills more than a page. */
export const EIGHT_GPUS = ['A100-SXM4-40GB*4', 'H100-SXM5-80GB*4']
export const ONE_GPU = ['A100-SXM4-40GB']
/** Every kind of board: aligned and sliding compute slots, 8, 4 and 12 memory slices, profiles that exclude each other. */
export const FOUR_MAKES = ['A100-SXM4-40GB', 'H100-SXM5-80GB', 'A30', 'RTX-PRO-6000-Blackwell-Server']

export interface Run {
  /** The GPUs of the fresh image that the program is given. */
  readonly gpus?: readonly string[]
  /** Or a file of the caller's. */
  readonly file?: string
  /** The folder that the program may write to; a new one if left out. */
  readonly folder?: string
  readonly modes?: readonly string[]
}

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class Programs {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Room for the programs and what they write; gone when the tests are over. */
  static async begin(t: Test): Promise<Programs> {
    const folder = await mkdtemp(join(tmpdir(), 'nvml-mig-image-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    await chmod(folder, 0o755) // one test is another user
    t.comment(`seed ${SEED}`)
    return new Programs(folder)
  }

  path(program: Program): string {
    return join(this.folder, program)
  }

  async build(programs: readonly Program[]): Promise<void> {
    const needed = [...programs, ...(programs.some(isSanitized) ? [FIXED_ADDRESSES] : [])]
    const targets = needed.map(program => this.path(program))
    await promisify(execFile)('make', ['-s', '-j2', '-C', sources, `OUT=${this.folder}`, ...targets])
  }

  /** Whether the compiler has a sanitizer, which not every distribution installs with it. */
  async canSanitize(sanitizer: string): Promise<boolean> {
    const source = join(this.folder, 'empty.cc')
    await writeFile(source, 'int main() {}\n')
    const compiler = process.env.CXX ?? 'g++'
    const compiled = promisify(execFile)(compiler, [`-fsanitize=${sanitizer}`, source, '-o', `${source}.out`])
    return compiled.then(
      () => true,
      () => false
    )
  }

  async newFolder(): Promise<string> {
    const folder = await mkdtemp(join(this.folder, 'run-'))
    await chmod(folder, 0o755)
    return folder
  }

  /** Runs a program to its end; it sets itself a limit. */
  async start(t: Test, program: Program, run: Run): Promise<Outcome> {
    const folder = run.folder ?? (await this.newFolder())
    const file = run.file ?? join(folder, 'fresh.image')
    if (run.gpus) await writeFile(file, compileImage(planNode(readRequest({ gpus: run.gpus }))))
    const [command, ...first] = isSanitized(program) ? [this.path(FIXED_ADDRESSES), this.path(program)] : [this.path(program)]
    const modes = [...(run.modes ?? []), ...(FULL ? ['full'] : [])]
    const child = spawn(command!, [...first, file, folder, String(SEED), ...modes], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TSAN_OPTIONS: 'exitcode=66:halt_on_error=1' }
    })
    t.teardown(() => child.kill('SIGKILL'))
    const text = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => (text.stdout += chunk))
    child.stderr.on('data', chunk => (text.stderr += chunk))
    const [code, signal] = await once(child, 'close')
    return { code, signal, ...text }
  }

  /** Runs a program that must hold, or says why it cannot be tried here. */
  async run(t: Test, program: Program, run: Run): Promise<void> {
    const { code, signal, stdout, stderr } = await this.start(t, program, run)
    if (code === SKIPPED) {
      t.plan(0, stderr.trim())
      return
    }
    // Lines "name number".
    const figures = [...stdout.matchAll(/^(\w+) (\S+)$/gm)]
    const counted = figures.map(([, name, value]) => `${Math.round(Number(value))} ${name!.replaceAll('_', ' ')}`)
    if (counted.length > 0) t.comment(counted.join(', '))
    t.equal(code, 0, code === 0 ? 'held' : `${program} ended with ${signal ?? code}. ${stderr.trim()}`)
    if (isSanitized(program)) t.equal(stderr, '', 'nothing is reported')
  }
}
