/** Files that a verb writes: whole or not at all, for their owner alone. */
import { randomBytes } from 'node:crypto'
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { UsageError } from './exit.js'

/** The file behind the name; what is there and is no regular file is refused, for it would be replaced. */
async function target(file: string): Promise<string> {
  const real = await realpath(file).catch(() => file)
  const found = await stat(real).catch(() => undefined)
  if (found && !found.isFile()) throw new UsageError(`${file} is no regular file: it would be replaced`)
  return real
}

/** Writes `text` under the name at once, with mode 0600. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const real = await target(file)
  const partial = `${real}.partial-${randomBytes(8).toString('hex')}`
  try {
    await writeFile(partial, text, { mode: 0o600, flag: 'wx' })
    await rename(partial, real)
  } catch (error) {
    await rm(partial, { force: true })
    throw new UsageError(`${file} cannot be written (${(error as NodeJS.ErrnoException).code})`)
  }
}
