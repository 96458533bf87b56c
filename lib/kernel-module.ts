import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The release of the loaded NVIDIA kernel module, or undefined if `/proc` under `root` does not tell. */
export async function loadedModule(root: string): Promise<string | undefined> {
  const text = await readFile(join(root, 'proc/driver/nvidia/version'), 'utf8').catch(() => '')
  return /Kernel Module(?: for \S+)?\s+(\d[\d.]*)/.exec(text)?.[1]
}
