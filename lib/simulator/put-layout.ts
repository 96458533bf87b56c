/** Modes and instances that a node has from the start, put there by its own library. */
import { Command, NONE, type NodeControl } from './control.js'
import { SimulatorError } from './errors.js'

/** What one GPU has from the start. `path` is where it was asked for, for sentences. */
export interface GpuLayout {
  readonly mode: { readonly current: boolean; readonly pending: boolean }
  readonly gpuInstances: readonly {
    readonly path: string
    /** The id that it has to get. */
    readonly id: number
    readonly profileId: number
    readonly start: number
    readonly computeInstances: readonly {
      readonly path: string
      readonly id: number
      readonly profileId: number
      /** Undefined: where the driver would put it. */
      readonly start: number | undefined
    }[]
  }[]
}

/** Carries one command out; a refusal is a sentence that begins with where it was asked for. */
function put(control: NodeControl, path: string, command: number, ...args: number[]): string {
  try {
    return control.command(command, ...args)
  } catch (error) {
    if (!(error instanceof SimulatorError) || error.status === undefined) throw error
    throw new RangeError(`${path} cannot be put there: ${error.message}`, { cause: error })
  }
}

/** Puts the layouts of a node's GPUs on it, in the order of their indices. */
export function putLayouts(control: NodeControl, layouts: readonly (GpuLayout | undefined)[]): void {
  for (const [gpu, layout] of layouts.entries()) {
    const { mode, gpuInstances } = layout ?? { mode: { current: false, pending: false }, gpuInstances: [] }
    if (mode.current || mode.pending) control.command(Command.setMode, gpu, Number(mode.current), Number(mode.pending))
    for (const { path, id, profileId, start, computeInstances } of gpuInstances) {
      const given = Number(put(control, path, Command.placeGpuInstance, gpu, profileId, start))
      if (given !== id) throw new RangeError(`${path}.id is ${id}, and the simulator gives it ${given}`)
      for (const compute of computeInstances) {
        put(control, compute.path, Command.placeComputeInstance, gpu, id, compute.profileId, compute.start ?? NONE, compute.id)
      }
    }
  }
}
