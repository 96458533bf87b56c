import type { Command } from 'commander'
import type { Gpu } from '../index.js'
import { boardSlices, type DrawnInstance, drawLayout } from '../layout/index.js'
import type { Cli } from './cli.js'
import { headline, identity, missing, part, readMode, slicesOf, type Unavailable } from './reading.js'
import { gpusOf, type SourceOptions, withSession, withSource } from './source.js'
import { colorsOf, type Io, print, printJson, widthOf } from './terminal.js'

export function addLayout(program: Command, cli: Cli): void {
  withSource(
    program
      .command('layout')
      .description('the memory slices of each GPU, drawn: who owns which, what is free')
      .option('--gpu <gpu>', 'only this GPU: index, UUID or PCI address')
  ).action((options: SourceOptions) =>
    cli.finish(
      withSession(options, { readOnly: true }, async nvml => {
        const read = await Promise.all(gpusOf(nvml, options.gpu).map(readLayout))
        if (options.json) printJson(cli.io, 'layout', { gpus: read.map(asJson) })
        else print(cli.io, ...read.flatMap(layout => asText(layout, cli.io)))
      })
    )
  )
}

/** Who owns which memory slices of a GPU; what NVML does not show this user is in `unavailable`. */
async function readLayout(gpu: Gpu) {
  const unavailable: Unavailable = {}
  const mode = await readMode(gpu, unavailable)
  if (!mode?.current) return { gpu, mode, memorySlices: 0, memoryOnly: [], instances: [], unavailable }
  const profiles = await part(unavailable, 'profiles', gpu.profiles())
  const found = await part(unavailable, 'instances', gpu.instances())
  const instances =
    found &&
    (await Promise.all(
      found.map(async (instance): Promise<DrawnInstance> => {
        const computeInstances = await part(
          unavailable,
          `computeInstances of GPU instance ${instance.id}`,
          instance.computeInstances()
        )
        return {
          id: instance.id,
          profile: instance.profile,
          ...instance.placement,
          computeInstances: computeInstances?.map(({ id, profile }) => ({ id, profile })) ?? null
        }
      })
    ))
  return { gpu, mode, ...boardSlices(profiles ?? []), instances, unavailable }
}

type Layout = Awaited<ReturnType<typeof readLayout>>

function asText({ gpu, mode, memorySlices, memoryOnly, instances, unavailable }: Layout, io: Io): string[] {
  const drawable = memorySlices > 0 && instances
  const drawing = drawable
    ? drawLayout({ memorySlices, memoryOnly, instances, width: widthOf(io) - 2, color: colorsOf(io) }).split('\n')
    : []
  return [
    headline(gpu, mode),
    ...drawing.map(line => `  ${line}`),
    ...(mode && !mode.current ? [`  nothing to draw; MIG mode is turned on by: nvml-mig mode on --gpu ${gpu.index}`] : []),
    ...missing(unavailable).map(sentence => `  not shown: ${sentence}`)
  ]
}

function asJson({ gpu, mode, memorySlices, memoryOnly, instances, unavailable }: Layout): object {
  const taken = new Set(instances?.flatMap(slicesOf))
  const free = instances && slicesOf({ start: 0, size: memorySlices }).filter(slice => !taken.has(slice))
  return { ...identity(gpu), migMode: mode, memorySlices, memoryOnly, instances, free, unavailable }
}
