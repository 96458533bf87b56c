/** What root/ tells of the loaded kernel module. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Puts a file in the place of another, so that whoever opens it finds the one or the other. */
export function replaceFile(file: string, contents: Buffer | string, mode: number): void {
  const partial = `${file}.partial-${randomBytes(8).toString('hex')}`
  try {
    writeFileSync(partial, contents)
    chmodSync(partial, mode & 0o777)
    renameSync(partial, file)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
}

/**
 * /proc/driver/nvidia/version. A driver also says there when it was built and with which compiler; nobody
 * recorded that of every release, so it is left out.
 */
export function versionFile(version: string): string {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  return `NVRM version: NVIDIA UNIX ${machine} Kernel Module  ${version}\n`
}

/** Lets `/proc/driver/nvidia/version` under `root` tell the version of the module that is loaded. */
export function showModule(root: string, version: string): void {
  const file = join(root, 'proc/driver/nvidia/version')
  const text = versionFile(version)
  mkdirSync(dirname(file), { recursive: true })
  try {
    if (readFileSync(file, 'utf8') === text) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  replaceFile(file, text, 0o444)
}
