/** root/ of a node, held against what NVML lists. */
import { lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Gpu } from '../../lib/gpu.js'

/** Everything below a directory, as relative paths; a link counts as what it is called, if it leads anywhere. */
export function below(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .map(entry => relative(dir, join(entry.parentPath, entry.name)))
    .sort()
}

/** Rights of a file or directory. */
export const modeOf = (path: string): number => lstatSync(path).mode & 0o777

const CAPABILITIES = 'proc/driver/nvidia/capabilities'

/** What capabilities there are, apart from mig/config and mig/monitor. */
export const shownInstances = (root: string): string[] =>
  below(join(root, CAPABILITIES)).filter(path => /^gpu\d+\/mig\/./.test(path))

/** What there should be of GPUs whose minor numbers are their indices. */
export async function listedInstances(gpus: readonly Gpu[]): Promise<string[]> {
  const paths = gpus.map(async gpu =>
    (await gpu.instances()).map(async gi => {
      const mine = `gpu${gpu.index}/mig/gi${gi.id}`
      const computes = await gi.computeInstances()
      return [mine, `${mine}/access`, ...computes.flatMap(({ id }) => [`${mine}/ci${id}`, `${mine}/ci${id}/access`])]
    })
  )
  const all = await Promise.all((await Promise.all(paths)).flat())
  return all.flat().sort()
}
