// The C++ side of a bench: a program beside it, compiled for the run, that answers each line with one.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Compiles bench/NAME.cc; where the program is until this process ends. */
export function compile(name) {
  const folder = mkdtempSync(join(tmpdir(), 'nvml-mig-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const program = join(folder, name)
  const flags = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread']
  execFileSync('g++', [...flags, `-I${root}native`, `${root}bench/${name}.cc`, '-o', program, '-ldl'])
  return program
}

/** A running program, asked line by line. */
export function start(program, ...args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`)
      const { value, done } = await answers.next()
      if (done) throw new Error(`${program} ended instead of answering "${line}"`)
      return value
    },
    async end() {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    }
  }
}

export const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
