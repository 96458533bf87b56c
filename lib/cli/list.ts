import type { Command } from 'commander'
import type { Gpu, MigDevice } from '../index.js'
import type { Cli } from './cli.js'
import { readUse, useAsJson, useAsText } from './processes.js'
import { type Holdings, headline, identity, missing, readHoldings } from './reading.js'
import { gpusOf, type SourceOptions, withSession, withSource } from './source.js'
import { print, printJson, sliceRange, table } from './terminal.js'

export function addList(program: Command, cli: Cli): void {
  withSource(
    program
      .command('list')
      .description('GPUs, GPU instances, compute instances and MIG devices')
      .option('--gpu <gpu>', 'only this GPU: index, UUID or PCI address')
      .option('--processes', 'the processes that use them instead, by MIG device')
  ).action((options: SourceOptions & { processes?: boolean }) =>
    cli.finish(
      withSession(options, { readOnly: true }, async nvml => {
        const gpus = gpusOf(nvml, options.gpu)
        if (options.processes) {
          const use = await readUse(nvml, gpus)
          if (options.json) printJson(cli.io, 'processes', { ...nvml.info, gpus: use.map(useAsJson) })
          else print(cli.io, ...use.flatMap(useAsText), ...(gpus.length === 0 ? ['No GPUs.'] : []))
          return
        }
        const holdings = await Promise.all(gpus.map(readHoldings))
        if (options.json) printJson(cli.io, 'list', { ...nvml.info, gpus: gpus.map((gpu, i) => asJson(gpu, holdings[i]!)) })
        else print(cli.io, ...gpus.flatMap((gpu, i) => asText(gpu, holdings[i]!)))
        if (gpus.length === 0 && !options.json) print(cli.io, 'No GPUs.')
      })
    )
  )
}

/** What the JSON of `list` and `create` says of a MIG device. */
export function deviceAsJson(device: MigDevice): Record<string, unknown> {
  return {
    uuid: device.uuid,
    index: device.index,
    name: device.name,
    profile: device.profile,
    gpuInstanceId: device.gpuInstanceId,
    computeInstanceId: device.computeInstanceId,
    placement: device.placement,
    memoryMiB: device.memoryMiB,
    multiprocessors: device.multiprocessors,
    cudaVisibleDevices: device.cudaVisibleDevices
  }
}

/** The cells of a MIG device's line. */
export function deviceCells(device: MigDevice): string[] {
  return [
    `MIG ${device.profile}`,
    `Device ${device.index}:`,
    `GI ${device.gpuInstanceId}`,
    `CI ${device.computeInstanceId}`,
    device.placement ? sliceRange(device.placement) : 'slices ?',
    `${device.multiprocessors ?? '?'} SM`,
    `${device.memoryMiB ?? '?'} MiB`,
    device.uuid
  ]
}

export const DEVICE_ALIGNMENT = ['left', 'left', 'left', 'left', 'left', 'right', 'right', 'left'] as const

/** GPU instances in which nothing can run yet: no MIG device stands for them. */
function emptyInstances({ devices, instances }: Holdings) {
  return (instances ?? []).filter(({ id }) => devices && !devices.some(device => device.gpuInstanceId === id))
}

function asText(gpu: Gpu, holdings: Holdings): string[] {
  const rows = [
    ...(holdings.devices ?? []).map(deviceCells),
    ...emptyInstances(holdings).map(({ id, profile, placement }) => [
      `MIG ${profile}`,
      'no device:',
      `GI ${id}`,
      'no CI',
      sliceRange(placement)
    ])
  ]
  return [
    headline(gpu, holdings.mode),
    ...table(rows, DEVICE_ALIGNMENT).map(line => `  ${line}`),
    ...missing(holdings.unavailable).map(sentence => `  not shown: ${sentence}`)
  ]
}

function asJson(gpu: Gpu, { mode, devices, instances, unavailable }: Holdings): object {
  return {
    ...identity(gpu),
    migCapable: gpu.migCapable,
    migMode: mode,
    instances: instances?.map(({ id, profile, placement }) => ({ id, profile, placement })) ?? null,
    devices: devices?.map(deviceAsJson) ?? null,
    unavailable
  }
}
