/** What a GPU holds, read as far as this user may look. */
import { type Gpu, type GpuInstance, type MigDevice, type MigMode, NvmlError } from '../index.js'
import { errorAsJson } from './exit.js'

/** Parts that could not be read, by name, with the reason. */
export type Unavailable = Record<string, Record<string, unknown>>

/**
 * Reads one part; what NVML refuses is noted in `unavailable` and reads `null`. Missing rights on
 * one part do not spoil the others.
 */
export async function part<T>(unavailable: Unavailable, name: string, reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof NvmlError)) throw error
    unavailable[name] = errorAsJson(error)
    return null
  }
}

/** The parts that are missing, as sentences. */
export function missing(unavailable: Unavailable): string[] {
  return Object.values(unavailable).map(({ message, hint }) => [message, hint].filter(Boolean).join('. '))
}

/** The MIG mode in words: `on`, `off (on after a reset)`, `not available`. */
function modeInWords(gpu: Gpu, mode: MigMode | null): string {
  if (!gpu.migCapable) return 'not available'
  if (!mode) return 'unknown'
  const word = (on: boolean) => (on ? 'on' : 'off')
  return mode.current === mode.pending ? word(mode.current) : `${word(mode.current)} (${word(mode.pending)} once reset)`
}

/** `GPU 0: NVIDIA A100-SXM4-40GB (GPU-…)  00000000:07:00.0  MIG on` */
export function headline(gpu: Gpu, mode: MigMode | null): string {
  const { index, name, uuid, pciBusId, unavailable } = gpu
  if (unavailable) return `GPU ${index}: not readable: ${unavailable.call} answers ${unavailable.code}`
  return `GPU ${index}: ${name} (${uuid})  ${pciBusId}  MIG ${modeInWords(gpu, mode)}`
}

/** What every JSON document says of a GPU. */
export function identity({ index, uuid, name, pciBusId }: Gpu): { index: number; uuid: string; name: string; pciBusId: string } {
  return { index, uuid, name, pciBusId }
}

export async function readMode(gpu: Gpu, unavailable: Unavailable): Promise<MigMode | null> {
  return gpu.migCapable ? part(unavailable, 'migMode', gpu.migMode()) : null
}

export interface Holdings {
  mode: MigMode | null
  /** `null`: not readable; empty with MIG off. */
  devices: MigDevice[] | null
  instances: GpuInstance[] | null
  unavailable: Unavailable
}

export async function readHoldings(gpu: Gpu): Promise<Holdings> {
  const unavailable: Unavailable = {}
  const mode = await readMode(gpu, unavailable)
  if (!mode?.current) return { mode, devices: [], instances: [], unavailable }
  const [devices, instances] = await Promise.all([
    part(unavailable, 'devices', gpu.devices()),
    part(unavailable, 'instances', gpu.instances())
  ])
  return { mode, devices, instances, unavailable }
}

/** The slices of a placement, one by one. */
export function slicesOf({ start, size }: { start: number; size: number }): number[] {
  return Array.from({ length: size }, (_, i) => start + i)
}
