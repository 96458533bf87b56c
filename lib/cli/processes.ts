/** `list --processes`: which processes use a GPU, and which of its MIG devices. */
import type { Gpu, GpuSnapshot, MigDeviceSnapshot, ProcessSnapshot, Session, UnavailableFields } from '../index.js'
import { headline, identity } from './reading.js'
import { table } from './terminal.js'

/** A process, and the MIG device that it uses; null: the whole GPU. */
type Use = ProcessSnapshot & { migDevice: { uuid: string; index: number; profile: string | null } | null }

export interface GpuUse {
  gpu: Gpu
  migMode: GpuSnapshot['migMode']
  /** Null if it cannot be said that these are all: `missing` has why. */
  processes: Use[] | null
  missing: UnavailableFields
}

const aboutProcesses = (unavailable: UnavailableFields, prefix = ''): UnavailableFields =>
  Object.fromEntries(
    Object.entries(unavailable).flatMap(([field, reason]) =>
      /^(gpu|migMode|migDevices|processes(\..*)?)$/.test(field) ? [[prefix + field, reason]] : []
    )
  )

const on = ({ uuid, index, profile }: MigDeviceSnapshot) => ({ uuid, index, profile })

function useOf(gpu: Gpu, snapshot: GpuSnapshot): GpuUse {
  const devices = snapshot.migDevices ?? []
  const lists: (Use[] | null)[] = [
    snapshot.processes?.map(process => ({ ...process, migDevice: null })) ?? null,
    ...devices.map(device => device.processes?.map(process => ({ ...process, migDevice: on(device) })) ?? null)
  ]
  const complete = snapshot.migDevices && !lists.includes(null)
  const missing = devices.map(device => aboutProcesses(device.unavailable, `migDevices[${device.index}].`))
  return {
    gpu,
    migMode: snapshot.migMode,
    processes: complete ? lists.flatMap(list => list ?? []) : null,
    missing: Object.assign(aboutProcesses(snapshot.unavailable), ...missing)
  }
}

export async function readUse(nvml: Session, gpus: readonly Gpu[]): Promise<GpuUse[]> {
  const snapshot = await nvml.snapshot({ include: { readings: false, profiles: false } })
  return gpus.map(gpu => useOf(gpu, snapshot.gpus[gpu.index]!))
}

/** A name as it can be printed: what a process calls itself may hold anything. */
const printable = (name: string): string => name.replace(/\p{Cc}/gu, '?')

function cells({ pid, kind, name, memoryMiB, gpuInstanceId, computeInstanceId, migDevice }: Use): string[] {
  const where = migDevice
    ? [
        `MIG ${migDevice.profile ?? '?'}`,
        `Device ${migDevice.index}:`,
        `GI ${gpuInstanceId ?? '?'}`,
        `CI ${computeInstanceId ?? '?'}`
      ]
    : ['GPU', 'as a whole:', '', '']
  const last = migDevice ? [migDevice.uuid] : []
  return [...where, `pid ${pid}`, kind, `${memoryMiB ?? '?'} MiB`, printable(name ?? '?'), ...last]
}

const ALIGNMENT = ['left', 'left', 'left', 'left', 'left', 'left', 'right', 'left', 'left'] as const

export function useAsText({ gpu, migMode, processes, missing }: GpuUse): string[] {
  return [
    headline(gpu, migMode),
    ...(processes?.length === 0 ? ['  no processes'] : []),
    ...table((processes ?? []).map(cells), ALIGNMENT).map(line => `  ${line}`),
    ...Object.entries(missing).map(([field, { call, code }]) => `  not shown: ${field}: ${call} answers ${code}`)
  ]
}

export function useAsJson({ gpu, migMode, processes, missing }: GpuUse): object {
  return { ...identity(gpu), migMode, processes, unavailable: missing }
}
