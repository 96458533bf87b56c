/** Why the library of a simulated node does not start, in its own words: NVML has a code for it and no more. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { binding } from '../binding.js'
import { Command } from './control.js'

/** The sentence, or undefined if nothing is wrong or the library is no node's. */
export function problemOf(library: string): string | undefined {
  if (!existsSync(join(dirname(library), 'node.image'))) return undefined
  try {
    const { status, text } = binding().simulatorCommand(library, Command.check, [])
    return status === 0 ? undefined : text
  } catch {
    return undefined
  }
}
