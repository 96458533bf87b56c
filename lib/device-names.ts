/** What GPUs and MIG devices are called: UUIDs, PCI bus ids, and the list that CUDA takes. */
import { shown } from './arguments.js'
import { series } from './layout/suggest.js'

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const MIG_DEVICE = new RegExp(`^MIG-(?:${UUID}|GPU-${UUID}/\\d+/\\d+)$`, 'i')
const GPU = /^GPU-[0-9a-f][0-9a-f-]*$/i
const BUS_ID = /^(?:([0-9a-f]{4}|[0-9a-f]{8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i

/** Whether a text is the UUID of a MIG device, in the spelling of now or of drivers before R470. */
export const isMigUuid = (text: string): text is `MIG-${string}` => MIG_DEVICE.test(text)

/** Whether a text is the UUID of a GPU, or the first part of one. */
export const isGpuUuid = (text: string): boolean => GPU.test(text)

/** One spelling for all spellings of a PCI bus id, or undefined. */
export function busId(text: string): string | undefined {
  const [, domain, rest] = BUS_ID.exec(text) ?? []
  return rest === undefined ? undefined : `${(domain ?? '').padStart(8, '0')}:${rest}`.toLowerCase()
}

const ONE_MIG_DEVICE =
  'A CUDA process uses one MIG device, whatever else it is shown, and no whole GPU beside it: start a process for each.'

function checkTogether(what: string, names: readonly string[]): void {
  const devices = names.filter(isMigUuid)
  if (devices.length > 0 && names.length > 1) {
    throw new RangeError(`${what}: ${series(names)} cannot be used together. ${ONE_MIG_DEVICE}`)
  }
}

/** What has a UUID: a GPU or a MIG device. */
export interface CudaDevice {
  readonly uuid: string
}

/**
 * The value of the environment variable `CUDA_VISIBLE_DEVICES` for a process that shall use these devices, and see
 * them in this order; of none it is empty, which hides all.
 *
 * @param devices GPUs, or one MIG device: themselves or their UUIDs.
 * @throws {RangeError} More than one, and a MIG device among them; what has no UUID, or twice the same.
 */
export function cudaVisibleDevices(devices: readonly (CudaDevice | string)[]): string {
  const what = 'cudaVisibleDevices'
  if (!Array.isArray(devices)) throw new TypeError(`${what} takes a list of devices or UUIDs, not ${shown(devices)}`)
  const names = devices.map((device: unknown) => {
    const uuid = typeof device === 'object' && device !== null ? (device as CudaDevice).uuid : device
    if (typeof uuid !== 'string') throw new TypeError(`${what}: a device is an object with a UUID, or one, not ${shown(device)}`)
    if (isMigUuid(uuid) || isGpuUuid(uuid)) return uuid
    throw new RangeError(
      `${what}: ${shown(uuid)} is no UUID: they begin with GPU- or MIG-. A GPU that cannot be opened has none.`
    )
  })
  checkTogether(what, names)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new RangeError(`${what}: ${twice} is there twice, and CUDA would show nothing`)
  return names.join(',')
}

/**
 * The devices that a value of `CUDA_VISIBLE_DEVICES` names, in CUDA's order: UUIDs, of GPUs perhaps only the first part.
 * As for CUDA, `-1` ends the list.
 *
 * @throws {RangeError} More than one, and a MIG device among them; a number, because it counts in CUDA's own order of
 *   GPUs (CUDA_DEVICE_ORDER); what names no device.
 * @see https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html
 */
export function parseCudaVisibleDevices(text: string): string[] {
  const what = 'CUDA_VISIBLE_DEVICES'
  if (typeof text !== 'string') throw new TypeError(`${what} is a string, not ${shown(text)}`)
  if (text.trim() === '') return []
  const all = text.split(',').map(name => name.trim())
  const end = all.indexOf('-1')
  const names = end < 0 ? all : all.slice(0, end)
  for (const name of names) {
    if (isMigUuid(name) || isGpuUuid(name)) continue
    const number = /^\d+$/.test(name)
    throw new RangeError(
      number
        ? `${what}: ${name} is a number in CUDA's own order of GPUs, which CUDA_DEVICE_ORDER decides and NVML does not know; UUIDs are unambiguous`
        : `${what}: ${shown(name)} names no device: they are GPU-<uuid>, MIG-<uuid> or MIG-GPU-<uuid>/<GPU instance>/<compute instance>`
    )
  }
  checkTogether(what, names)
  return names
}
