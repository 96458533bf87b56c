import type { Command } from 'commander'
import { type ComputeInstance, type Gpu, type GpuInstance, type MigDevice, NvmlError } from '../index.js'
import type { Cli } from './cli.js'
import { UsageError } from './exit.js'
import { DEVICE_ALIGNMENT, deviceAsJson, deviceCells } from './list.js'
import { identity } from './reading.js'
import { namedGpu, profileOf, type SourceOptions, withSession, withSource } from './source.js'
import { print, printJson, sliceRange, table } from './terminal.js'

/** A profile that shall be created: its name or number. */
type Wish = string | number

interface CreateOptions extends SourceOptions {
  start?: number
  gpuInstance?: number
}

export function addCreate(program: Command, cli: Cli): void {
  withSource(
    program
      .command('create')
      .description('create MIG devices: a GPU instance and its compute instance each')
      .argument('[profiles...]', 'profile names in order of creation, *N for several: 3g.20gb 1g.5gb*4')
      .option('--gpu <gpu>', 'index, UUID or PCI address; must be named')
      .option('--start <slice>', 'first slice of the instance; without it the driver chooses', wholeNumber('--start'))
      .option('--gpu-instance <id>', 'create compute instances in this GPU instance instead', wholeNumber('--gpu-instance'))
      .addHelpText('after', '\nIf one cannot be created, those before it stay and are listed.')
  ).action((profiles: string[], options: CreateOptions) => cli.finish(create(cli, profiles.flatMap(repeated), options)))
}

/** An option's text as a whole number. */
export function wholeNumber(option: string): (text: string) => number {
  return text => {
    if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${option} takes a whole number, not '${text}'`)
    return Number(text)
  }
}

/** `1g.5gb*4` as four wishes. */
function repeated(text: string): Wish[] {
  const [, name = text, count = '1'] = /^(.*)\*(\d{1,3})$/.exec(text) ?? []
  if (Number(count) < 1) throw new UsageError(`'${text}' asks for none`)
  return Array<Wish>(Number(count)).fill(profileOf(name))
}

async function create(cli: Cli, wishes: readonly Wish[], options: CreateOptions): Promise<void> {
  const { start, gpuInstance } = options
  if (wishes.length === 0 && gpuInstance === undefined) {
    throw new UsageError(
      'create needs a profile',
      'nvml-mig profiles lists what a GPU offers; e.g. nvml-mig create 3g.20gb --gpu 0'
    )
  }
  if (start !== undefined && wishes.length > 1)
    throw new UsageError('--start goes with one profile: two cannot begin at the same slice')
  await withSession(options, { readOnly: false }, async nvml => {
    const gpu = namedGpu(nvml, options.gpu, 'create')
    const place = start === undefined ? {} : { start }
    if (gpuInstance === undefined) await createDevices(cli, gpu, wishes, place, options)
    else await createComputeInstances(cli, gpu, gpuInstance, wishes, place, options)
  })
}

/** Refuses a profile name that is not one before anything is created; the rest is for the driver to say. */
async function checkNames(wishes: readonly Wish[], owner: { placements(profile: Wish): Promise<unknown> }): Promise<void> {
  for (const profile of new Set(wishes)) {
    await owner.placements(profile).catch(error => {
      if (!(error instanceof NvmlError)) throw error
    })
  }
}

/** Creates one after another and shows what came of it, also if one is refused. */
async function createDevices(
  cli: Cli,
  gpu: Gpu,
  wishes: readonly Wish[],
  place: { start?: number },
  options: SourceOptions
): Promise<void> {
  const created: MigDevice[] = []
  await checkNames(wishes, gpu)
  try {
    for (const profile of wishes) created.push(await gpu.create(profile, place))
  } catch (error) {
    throw await explained(error, gpu, created.length)
  } finally {
    const devices = await asTheyAre(gpu, created)
    if (options.json) printJson(cli.io, 'create', { gpu: identity(gpu), created: devices.map(deviceAsJson) })
    else print(cli.io, ...table(devices.map(deviceCells), DEVICE_ALIGNMENT))
  }
}

/** Created devices read anew: the index of one changes when another is created before it. */
async function asTheyAre(gpu: Gpu, created: readonly MigDevice[]): Promise<readonly MigDevice[]> {
  if (created.length < 2) return created
  const devices = await gpu.devices()
  return created.map(({ uuid }, i) => devices.find(device => device.uuid === uuid) ?? created[i]!)
}

async function createComputeInstances(
  cli: Cli,
  gpu: Gpu,
  id: number,
  wishes: readonly Wish[],
  place: { start?: number },
  options: SourceOptions
): Promise<void> {
  const instance = await gpuInstanceOf(gpu, id)
  const created: ComputeInstance[] = []
  await checkNames(wishes, instance)
  try {
    for (const profile of wishes.length > 0 ? wishes : [undefined])
      created.push(await instance.createComputeInstance(profile, place))
  } finally {
    const seen = created.map(each => ({ id: each.id, profile: each.profile, placement: each.placement }))
    if (options.json) printJson(cli.io, 'create', { gpu: identity(gpu), gpuInstance: id, created: seen })
    else {
      const rows = seen.map(each => [
        `MIG ${each.profile}`,
        `GI ${id}`,
        `CI ${each.id}`,
        each.placement ? `compute ${sliceRange(each.placement)}` : ''
      ])
      print(cli.io, ...table(rows))
    }
  }
}

export async function gpuInstanceOf(gpu: Gpu, id: number): Promise<GpuInstance> {
  const instances = await gpu.instances()
  const found = instances.find(instance => instance.id === id)
  if (found) return found
  const ids = instances.map(instance => instance.id).join(', ')
  throw new UsageError(`GPU ${gpu.index} has no GPU instance ${id}`, ids ? `It has ${ids}.` : 'It has none.')
}

/** NVML says only that it is not supported where the MIG mode is what is missing. */
async function explained(error: unknown, gpu: Gpu, created: number): Promise<unknown> {
  if (error instanceof NvmlError && error.code === 'NOT_SUPPORTED' && created === 0 && gpu.migCapable) {
    const { current, pending } = await gpu.migMode()
    if (!current) {
      const cure = pending
        ? `It is pending: reset the GPU (nvidia-smi -r -i ${gpu.index}).`
        : `Turn it on: nvml-mig mode on --gpu ${gpu.index}`
      return new UsageError(`MIG mode is off on GPU ${gpu.index}`, cure)
    }
  }
  return error
}
