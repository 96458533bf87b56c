import type { Command } from 'commander'
import { type Gpu, type GpuInstanceProfile, LayoutError, NvmlError } from '../index.js'
import { boardSlices } from '../layout/index.js'
import type { Cli } from './cli.js'
import { errorAsJson } from './exit.js'
import { headline, identity, missing, part, readMode, type Unavailable } from './reading.js'
import { gpusOf, profileOf, type SourceOptions, withSession, withSource } from './source.js'
import { placementList, print, printJson, table } from './terminal.js'

export function addProfiles(program: Command, cli: Cli): void {
  withSource(
    program
      .command('profiles')
      .description('GPU instance profiles: how many fit now, memory, SMs, engines, places')
      .option('--gpu <gpu>', 'only this GPU: index, UUID or PCI address')
  ).action((options: SourceOptions) =>
    cli.finish(
      withSession(options, { readOnly: true }, async nvml => {
        const read = await Promise.all(gpusOf(nvml, options.gpu).map(readProfiles))
        if (options.json) {
          printJson(cli.io, 'profiles', {
            gpus: read.map(({ gpu, mode, profiles, unavailable }) => ({
              ...identity(gpu),
              migMode: mode,
              profiles,
              unavailable
            }))
          })
        } else print(cli.io, ...read.flatMap(profileTable))
      })
    )
  )
}

export function addPlacements(program: Command, cli: Cli): void {
  withSource(
    program
      .command('placements')
      .description('where a profile may go on a GPU, and where it could go now')
      .argument('<profile>', 'profile name, e.g. 3g.20gb')
      .option('--gpu <gpu>', 'only this GPU: index, UUID or PCI address')
  ).action((profile: string, options: SourceOptions) =>
    cli.finish(
      withSession(options, { readOnly: true }, async nvml => {
        const read = await Promise.all(gpusOf(nvml, options.gpu).map(gpu => readPlacements(gpu, profileOf(profile))))
        // GPUs differ; only if none can answer, the verb fails.
        const refusal = read.find(each => each.refusal)?.refusal
        if (refusal && read.every(each => each.refusal)) throw refusal
        if (options.json) {
          printJson(cli.io, 'placements', {
            gpus: read.map(({ gpu, refusal, placements, memorySlices }) => ({
              ...identity(gpu),
              profile,
              memorySlices,
              possible: placements?.possible ?? null,
              free: placements?.free ?? null,
              unavailable: refusal ? { placements: errorAsJson(refusal) } : {}
            }))
          })
        } else print(cli.io, ...read.flatMap(each => placementLines(profile, each)))
      })
    )
  )
}

async function readPlacements(gpu: Gpu, profile: string | number) {
  try {
    const placements = await gpu.placements(profile)
    return { gpu, placements, memorySlices: boardSlices(await gpu.profiles()).memorySlices }
  } catch (refusal) {
    if (!(refusal instanceof NvmlError || refusal instanceof LayoutError)) throw refusal
    return { gpu, refusal, memorySlices: null }
  }
}

function placementLines(
  profile: string,
  { gpu, refusal, placements, memorySlices }: Awaited<ReturnType<typeof readPlacements>>
): string[] {
  if (!placements) return [refusal.message]
  const { possible, free } = placements
  return [
    `GPU ${gpu.index}: ${profile} takes ${possible[0]?.size ?? '?'} of ${memorySlices} memory slices`,
    `  possible  ${placementList(possible)}`,
    `  free now  ${free.length === 0 ? 'none' : placementList(free)}`
  ]
}

async function readProfiles(gpu: Gpu) {
  const unavailable: Unavailable = {}
  const mode = await readMode(gpu, unavailable)
  const profiles = gpu.migCapable ? await part(unavailable, 'profiles', gpu.profiles()) : []
  return { gpu, mode, profiles, unavailable }
}

/** Why figures in the table are `?`, once per reason. */
function unread(profiles: readonly GpuInstanceProfile[]): string[] {
  const reasons = profiles.flatMap(({ unavailable = {} }) =>
    Object.entries(unavailable).map(
      ([field, { call, code }]) => `${field === 'remaining' ? 'free counts' : field}: ${call} answers ${code}`
    )
  )
  return [...new Set(reasons)]
}

const HEADINGS = ['Profile', 'ID', 'Free/Total', 'GiB', 'SM', 'CE', 'DEC', 'ENC', 'JPEG', 'OFA', 'Placements']
const ALIGNMENT = ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'left'] as const

/** As nvidia-smi prints them, whose C library rounds an exact half to the even digit: 9856 MiB are 9.62 GiB. */
function gibibytes(memoryMiB: number): string {
  const hundredths = Math.floor((memoryMiB * 100) / 1024)
  const rest = (memoryMiB * 100) % 1024
  const up = rest > 512 || (rest === 512 && hundredths % 2 === 1)
  return ((hundredths + Number(up)) / 100).toFixed(2)
}

function profileRow(profile: GpuInstanceProfile): string[] {
  const { name, id, remaining, maxInstances, memoryMiB, multiprocessors, engines, placements } = profile
  const { copy, decoder, encoder, jpeg, opticalFlow } = engines
  return [
    name,
    String(id),
    `${remaining ?? '?'}/${maxInstances}`,
    gibibytes(memoryMiB),
    ...[multiprocessors, copy, decoder, encoder, jpeg, opticalFlow].map(String),
    placements ? placementList(placements) : '?'
  ]
}

function profileTable({ gpu, mode, profiles, unavailable }: Awaited<ReturnType<typeof readProfiles>>): string[] {
  return [
    headline(gpu, mode),
    ...(profiles?.length ? table([HEADINGS, ...profiles.map(profileRow)], ALIGNMENT).map(line => `  ${line}`) : []),
    ...[...unread(profiles ?? []), ...missing(unavailable)].map(sentence => `  not shown: ${sentence}`)
  ]
}
