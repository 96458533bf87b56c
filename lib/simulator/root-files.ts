/**
 * root/ of a node: what /proc and /dev show of a driver besides NVML. Here is what is there from the start;
 * what comes and goes with instances is kept up by the node's library (native/simulator/root.cc).
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { NodePlan } from './compile-image.js'
import { versionFile } from './loaded-module.js'

/** Minor numbers are given out beforehand for this many of each, on every machine. */
const IDS = { gpus: 32, gpuInstances: 15, computeInstances: 8 }

/** The capabilities that belong to no GPU. Who may do what: the modes of their device nodes, recorded. */
export const MIG_CAPABILITIES = {
  'mig/config': { minor: 1, mode: 0o400 },
  'mig/monitor': { minor: 2, mode: 0o444 }
} as const

/** The minor number of an instance's capability; `gpu` is the minor number of the GPU. */
export function capabilityMinor(gpu: number, gpuInstance: number, computeInstance?: number): number {
  const whole = 3 + (IDS.gpuInstances * gpu + gpuInstance) * (1 + IDS.computeInstances)
  return computeInstance === undefined ? whole : whole + 1 + computeInstance
}

/** Paths below root/; `gpu` is a minor number. */
export const paths = {
  version: 'proc/driver/nvidia/version',
  migMinors: 'proc/driver/nvidia-caps/mig-minors',
  capability: (name: string): string => `proc/driver/nvidia/capabilities/${name}`,
  gpuCapabilities: (gpu: number): string => `proc/driver/nvidia/capabilities/gpu${gpu}`,
  gpuInstance: (gpu: number, id: number): string => `proc/driver/nvidia/capabilities/gpu${gpu}/mig/gi${id}`,
  capabilityNode: (minor: number): string => `dev/nvidia-caps/nvidia-cap${minor}`,
  gpuNode: (gpu: number): string => `dev/nvidia${gpu}`,
  controlNodes: ['dev/nvidiactl', 'dev/nvidia-uvm']
} as const

const range = (length: number): number[] => Array.from({ length }, (_, i) => i)

function migMinors(): string {
  const named = Object.entries(MIG_CAPABILITIES).map(([name, { minor }]) => `${name.slice('mig/'.length)} ${minor}`)
  const instances = range(IDS.gpus).flatMap(gpu =>
    range(IDS.gpuInstances).flatMap(gi => [
      `gpu${gpu}/gi${gi}/access ${capabilityMinor(gpu, gi)}`,
      ...range(IDS.computeInstances).map(ci => `gpu${gpu}/gi${gi}/ci${ci}/access ${capabilityMinor(gpu, gi, ci)}`)
    ])
  )
  return `${[...named, ...instances].join('\n')}\n`
}

const capability = (minor: number, mode: number): string =>
  `DeviceFileMinor: ${minor}\nDeviceFileMode: ${mode}\nDeviceFileModify: 1\n`

interface RootFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** A plain file where a machine has a device. */
const device = (path: string, mode = 0o666): RootFile => ({ path, text: '', mode })

function filesOf({ release, gpus }: NodePlan): RootFile[] {
  return [
    { path: paths.version, text: versionFile(release.version), mode: 0o444 },
    { path: paths.migMinors, text: migMinors(), mode: 0o444 },
    ...Object.entries(MIG_CAPABILITIES).flatMap(([name, { minor, mode }]) => [
      { path: paths.capability(name), text: capability(minor, mode), mode: 0o444 },
      device(paths.capabilityNode(minor), mode)
    ]),
    ...paths.controlNodes.map(path => device(path)),
    ...gpus.map(({ identity }) => device(paths.gpuNode(identity.minorNumber)))
  ]
}

/** Writes the files into `root`, which is not there yet. The umask takes rights away as usual. */
export async function writeRoot(root: string, plan: NodePlan): Promise<void> {
  const makeDirectory = (path: string) => mkdir(path, { recursive: true, mode: 0o755 })
  await makeDirectory(root)
  for (const { path, text, mode } of filesOf(plan)) {
    await makeDirectory(join(root, dirname(path)))
    await writeFile(join(root, path), text, { mode })
  }
  for (const { board, identity } of plan.gpus) {
    if (board.profiles.length > 0) await makeDirectory(join(root, paths.gpuCapabilities(identity.minorNumber), 'mig'))
  }
}
