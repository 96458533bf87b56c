import type { Command } from 'commander'
import { type Gpu, NvmlError, type Session } from '../index.js'
import type { Cli } from './cli.js'
import { gpuInstanceOf, wholeNumber } from './create.js'
import { UsageError } from './exit.js'
import { namedGpu, type SourceOptions, withSession, withSource } from './source.js'
import { print, printJson } from './terminal.js'

interface DestroyOptions extends SourceOptions {
  gpuInstance?: number
  computeInstance?: number
  force?: boolean
  all?: boolean
}

/** What was destroyed: a compute instance, or with `computeInstance: null` a GPU instance. */
interface Destroyed {
  gpu: number
  gpuInstance: number
  computeInstance: number | null
}

export function addDestroy(program: Command, cli: Cli): void {
  withSource(
    program
      .command('destroy')
      .description('destroy MIG devices, or instances by their ids')
      .argument('[devices...]', 'UUIDs of MIG devices')
      .option('--gpu <gpu>', 'index, UUID or PCI address; must be named for what has no UUID')
      .option('--gpu-instance <id>', 'this GPU instance', wholeNumber('--gpu-instance'))
      .option('--compute-instance <id>', 'this compute instance of it', wholeNumber('--compute-instance'))
      .option('--force', 'with --gpu-instance: its compute instances first')
      .option('--all', 'every instance of the GPU')
  ).action((uuids: string[], options: DestroyOptions) => {
    checkUse(uuids, options)
    return cli.finish(destroy(cli, uuids, options))
  })
}

function checkUse(uuids: readonly string[], { gpuInstance, computeInstance, force, all }: DestroyOptions): void {
  const ways = [uuids.length > 0, gpuInstance !== undefined, all].filter(Boolean).length
  const example = 'nvml-mig destroy MIG-…, or --gpu 0 --gpu-instance 3, or --gpu 0 --all'
  if (computeInstance !== undefined && gpuInstance === undefined)
    throw new UsageError('--compute-instance goes with --gpu-instance')
  if (ways === 0) throw new UsageError('destroy needs to be told what', example)
  if (ways > 1) throw new UsageError('UUIDs, --gpu-instance and --all exclude each other', example)
  if (force && (gpuInstance === undefined || computeInstance !== undefined)) {
    throw new UsageError('--force goes with --gpu-instance alone: it destroys the compute instances in it first')
  }
}

async function destroy(cli: Cli, uuids: readonly string[], options: DestroyOptions): Promise<void> {
  await withSession(options, { readOnly: false }, async nvml => {
    const destroyed: Destroyed[] = []
    try {
      if (uuids.length > 0) await destroyDevices(nvml, uuids, destroyed)
      else {
        const gpu = namedGpu(nvml, options.gpu, 'destroy')
        if (options.all) await destroyAll(gpu, destroyed)
        else await destroyInstance(gpu, options, destroyed)
      }
    } finally {
      if (options.json) printJson(cli.io, 'destroy', { destroyed })
      else print(cli.io, ...destroyed.map(inWords))
    }
  })
}

function inWords({ gpu, gpuInstance, computeInstance }: Destroyed): string {
  const instance = `GPU instance ${gpuInstance}`
  return `destroyed ${computeInstance === null ? instance : `compute instance ${computeInstance} of ${instance}`} on GPU ${gpu}`
}

async function destroyDevices(nvml: Session, uuids: readonly string[], destroyed: Destroyed[]): Promise<void> {
  // All are looked up before one is destroyed, so a mistyped one changes nothing.
  const devices = []
  for (const uuid of uuids) {
    const device = await nvml.find(uuid)
    if (!device) throw new UsageError(`there is no MIG device ${uuid}`, 'nvml-mig list shows those there are.')
    if (!('gpuInstanceId' in device)) {
      throw new UsageError(`${uuid} is a GPU, not a MIG device`, `nvml-mig destroy --gpu ${uuid} --all empties it.`)
    }
    devices.push(device)
  }
  for (const device of devices) {
    await device.destroy()
    const gpu = device.gpu.index
    destroyed.push({ gpu, gpuInstance: device.gpuInstanceId, computeInstance: device.computeInstanceId })
    // The GPU instance went with its last compute instance.
    const left = await device.gpu.instances()
    if (!left.some(({ id }) => id === device.gpuInstanceId)) {
      destroyed.push({ gpu, gpuInstance: device.gpuInstanceId, computeInstance: null })
    }
  }
}

async function destroyInstance(
  gpu: Gpu,
  { gpuInstance, computeInstance, force }: DestroyOptions,
  destroyed: Destroyed[]
): Promise<void> {
  const instance = await gpuInstanceOf(gpu, gpuInstance!)
  if (computeInstance === undefined) {
    if (force) await emptyOut(gpu, instance, destroyed)
    await instance.destroy()
    destroyed.push({ gpu: gpu.index, gpuInstance: instance.id, computeInstance: null })
    return
  }
  const inside = await instance.computeInstances()
  const found = inside.find(({ id }) => id === computeInstance)
  if (!found) {
    const ids = inside.map(({ id }) => id).join(', ')
    throw new UsageError(
      `GPU instance ${instance.id} has no compute instance ${computeInstance}`,
      ids ? `It has ${ids}.` : 'It has none.'
    )
  }
  await found.destroy()
  destroyed.push({ gpu: gpu.index, gpuInstance: instance.id, computeInstance })
}

type Instances = Awaited<ReturnType<Gpu['instances']>>

async function emptyOut(gpu: Gpu, instance: Instances[number], destroyed: Destroyed[]): Promise<void> {
  for (const inside of await instance.computeInstances()) {
    await inside.destroy()
    destroyed.push({ gpu: gpu.index, gpuInstance: instance.id, computeInstance: inside.id })
  }
}

/** Goes on past what is in use, and ends with that error. */
async function destroyAll(gpu: Gpu, destroyed: Destroyed[]): Promise<void> {
  let refused: NvmlError | undefined
  for (const instance of await gpu.instances()) {
    try {
      await emptyOut(gpu, instance, destroyed)
      await instance.destroy()
      destroyed.push({ gpu: gpu.index, gpuInstance: instance.id, computeInstance: null })
    } catch (error) {
      if (!(error instanceof NvmlError && error.code === 'IN_USE')) throw error
      refused ??= error
    }
  }
  if (refused) throw refused
}
