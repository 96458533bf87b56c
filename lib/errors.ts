/** What NVML refused (NvmlError) and what the session refused (SessionError). */

/**
 * What NVML answered: the name of its constant without `NVML_ERROR_`. A code newer than this package
 * is `UNKNOWN`; its number is in `status`.
 */
export type NvmlCode =
  | 'UNINITIALIZED'
  | 'INVALID_ARGUMENT'
  | 'NOT_SUPPORTED'
  | 'NO_PERMISSION'
  | 'ALREADY_INITIALIZED'
  | 'NOT_FOUND'
  | 'INSUFFICIENT_SIZE'
  | 'INSUFFICIENT_POWER'
  | 'DRIVER_NOT_LOADED'
  | 'TIMEOUT'
  | 'IRQ_ISSUE'
  | 'LIBRARY_NOT_FOUND'
  | 'FUNCTION_NOT_FOUND'
  | 'CORRUPTED_INFOROM'
  | 'GPU_IS_LOST'
  | 'RESET_REQUIRED'
  | 'OPERATING_SYSTEM'
  | 'LIB_RM_VERSION_MISMATCH'
  | 'IN_USE'
  | 'MEMORY'
  | 'NO_DATA'
  | 'VGPU_ECC_NOT_SUPPORTED'
  | 'INSUFFICIENT_RESOURCES'
  | 'FREQ_NOT_SUPPORTED'
  | 'ARGUMENT_VERSION_MISMATCH'
  | 'DEPRECATED'
  | 'NOT_READY'
  | 'GPU_NOT_FOUND'
  | 'INVALID_STATE'
  | 'RESET_TYPE_NOT_SUPPORTED'
  | 'UNKNOWN'

// nvmlReturn_t: its code, and what it means in a sentence that begins with what could not be done.
const REASONS: Partial<Record<number, readonly [NvmlCode, string]>> = {
  1: ['UNINITIALIZED', 'NVML is not initialised in this process'],
  2: ['INVALID_ARGUMENT', 'NVML finds an argument invalid'],
  3: ['NOT_SUPPORTED', 'it is not supported here'],
  4: ['NO_PERMISSION', 'this user may not do that'],
  5: ['ALREADY_INITIALIZED', 'NVML is initialised already'],
  6: ['NOT_FOUND', 'it does not exist'],
  7: ['INSUFFICIENT_SIZE', 'the answer is larger than the room given for it'],
  8: ['INSUFFICIENT_POWER', 'the GPU lacks external power'],
  9: ['DRIVER_NOT_LOADED', 'the kernel driver is not loaded'],
  10: ['TIMEOUT', 'it took longer than allowed'],
  11: ['IRQ_ISSUE', 'the kernel reports an interrupt problem of a GPU'],
  12: ['LIBRARY_NOT_FOUND', 'a library that NVML needs is missing'],
  13: ['FUNCTION_NOT_FOUND', 'this driver has no such function'],
  14: ['CORRUPTED_INFOROM', 'the infoROM of the GPU is damaged'],
  15: ['GPU_IS_LOST', 'the GPU does not answer any more'],
  16: ['RESET_REQUIRED', 'the GPU must be reset first'],
  17: ['OPERATING_SYSTEM', 'the operating system stopped it'],
  18: ['LIB_RM_VERSION_MISMATCH', 'the library and the loaded kernel module are of different releases'],
  19: ['IN_USE', 'it is in use'],
  20: ['MEMORY', 'there is not enough memory'],
  21: ['NO_DATA', 'there is no data'],
  22: ['VGPU_ECC_NOT_SUPPORTED', 'the vGPU cannot be used with ECC on'],
  23: ['INSUFFICIENT_RESOURCES', 'there is no room for it'],
  24: ['FREQ_NOT_SUPPORTED', 'the GPU does not have this frequency'],
  25: ['ARGUMENT_VERSION_MISMATCH', 'this driver does not know that version of a structure'],
  26: ['DEPRECATED', 'this driver has given the function up'],
  27: ['NOT_READY', 'it is not ready yet'],
  28: ['GPU_NOT_FOUND', 'no GPU was found'],
  29: ['INVALID_STATE', 'it is not in a state that allows that'],
  30: ['RESET_TYPE_NOT_SUPPORTED', 'the GPU cannot be reset in this way'],
  999: ['UNKNOWN', 'the driver met an error it has no name for']
} as const

/** The `nvmlReturn_t` of each name. @internal */
export const NVML_STATUS: ReadonlyMap<NvmlCode, number> = new Map(
  Object.entries(REASONS).map(([status, reason]) => [reason![0], Number(status)])
)

/** The name of an `nvmlReturn_t`; `UNKNOWN` for one this package does not know. */
export function nvmlCode(status: number): NvmlCode {
  return REASONS[status]?.[0] ?? 'UNKNOWN'
}

const CAPABILITY = 'or as a user who may open the device node of /proc/driver/nvidia/capabilities/mig'

const changesMode = (call: string) => call === 'nvmlDeviceSetMigMode'
const destroys = (call: string) => call.endsWith('Destroy')
const initialises = (call: string) => call.startsWith('nvmlInit')

/** One sentence on what to do about it, where there is something to do. */
function hintFor(code: NvmlCode, call: string, changes: boolean): string | undefined {
  switch (code) {
    case 'IN_USE':
      if (call === 'nvmlGpuInstanceDestroy') {
        return 'Destroy its compute instances first, or destroy({ force: true }), and end the processes that run in it.'
      }
      if (destroys(call)) return 'End the processes that run on its MIG device.'
      if (changesMode(call))
        return 'Destroy the instances of the GPU and stop what holds it: monitoring agents, a desktop, other NVML clients.'
      return 'Stop the processes that hold the whole GPU.'
    case 'NO_PERMISSION':
      if (initialises(call)) return 'This user may not open /dev/nvidiactl; in a container, pass the GPU devices in.'
      if (changesMode(call)) return 'Changing the MIG mode needs root (CAP_SYS_ADMIN).'
      if (changes) return `Run it as root, ${CAPABILITY}/config.`
      return `Run it as root, ${CAPABILITY}/monitor.`
    case 'NOT_SUPPORTED':
      if (changesMode(call)) return 'This GPU has no MIG, or its mode cannot be changed from here.'
      return 'The GPU has no MIG, or its MIG mode is off: see gpu.migCapable and gpu.migMode().'
    case 'NOT_FOUND':
      return 'It may have been destroyed meanwhile: gpu.instances() and gpu.devices() list what there is.'
    case 'INSUFFICIENT_RESOURCES':
      return 'placements(profile) lists where it could go now; if that is empty, an instance must be destroyed first.'
    case 'RESET_REQUIRED':
      return '`nvidia-smi -r -i <gpu>` resets it once nothing uses it; a virtual machine must be restarted.'
    case 'GPU_IS_LOST':
      return 'The kernel log says why (look for Xid); only a restart of the machine brings it back.'
    case 'DRIVER_NOT_LOADED':
      return 'Load the kernel module (`modprobe nvidia`), or install the driver for the running kernel. A simulated node was removed, or a file of it: node.check() says which.'
    case 'LIB_RM_VERSION_MISMATCH':
      if (!initialises(call))
        return 'The driver was replaced since NVML was opened: close all sessions of this process, then open again.'
      return 'The driver was upgraded under a loaded module: reload the nvidia modules, or restart the machine.'
    case 'FUNCTION_NOT_FOUND':
      return 'It needs a newer driver.'
    case 'UNKNOWN':
      return initialises(call)
        ? 'In a container this often means that it lost its right to the GPU devices: restart it. Of a simulated node, node.check() says it.'
        : undefined
    default:
      return undefined
  }
}

/** What {@link NvmlError} is made from. */
export interface NvmlFailure {
  /** The `nvmlReturn_t`. */
  status: number
  /** The NVML function that answered it. */
  call: string
  /** What could not be done, after "cannot": `destroy GPU instance 3 on GPU 0`. */
  doing: string
  /** Index of the GPU concerned. */
  gpu?: number | undefined
  /** Whether an instance was to be created or destroyed, even if the refused call only looked for it. */
  changes?: boolean
  /** Replaces the usual hint. */
  hint?: string | undefined
}

/** A call that NVML refused. Switch on `code`; `message` and `hint` are for people and may change. */
export class NvmlError extends Error {
  static {
    NvmlError.prototype.name = 'NvmlError'
  }
  /** What to switch on; `UNKNOWN` for a code newer than this package. */
  readonly code: NvmlCode
  /** The raw `nvmlReturn_t`; tells codes apart that are newer than this package. */
  readonly status: number
  /** The NVML function that refused: `nvmlDeviceCreateGpuInstance`. */
  readonly call: string
  /** Index of the GPU concerned, if it was about one. */
  declare readonly gpu?: number
  /** One sentence on what to do about it, if there is something to do. */
  declare readonly hint?: string

  constructor({ status, call, doing, gpu, changes, hint }: NvmlFailure) {
    const code = nvmlCode(status)
    const reason = REASONS[status]?.[1] ?? `NVML answers ${status}, a code newer than this package`
    super(`${call}: cannot ${doing}: ${reason} (${code})`)
    this.code = code
    this.status = status
    this.call = call
    if (gpu !== undefined) this.gpu = gpu
    const advice = hint ?? hintFor(code, call, changes ?? false)
    if (advice !== undefined) this.hint = advice
  }
}

/**
 * Why a session refused a call, or could not be opened:
 * - `CLOSED`: `close()` was called before
 * - `READ_ONLY`: the call would change something, and the session was opened with `readOnly: true`
 * - `LIBRARY_NOT_FOUND`: there is no library to open; the message says what was tried
 * - `AMBIGUOUS_LIBRARY`: `open()` without `library` would get one that was opened by path before
 * - `NOT_NVML`: the file is a library, but not NVML
 * - `INSTANCE_REPLACED`: under the id of this instance there is now another one; nothing was changed
 * - `PLACEMENT_UNAVAILABLE`: this driver cannot create at a chosen place
 * - `UNDO_FAILED`: only a part could be created, mostly a GPU instance without its compute instance, and could not be destroyed again
 * - `ABANDONED`: `close({ timeoutMs })` ran out of time; whether the call took effect is unknown
 */
export type SessionErrorCode =
  | 'CLOSED'
  | 'SUSPENDED'
  | 'READ_ONLY'
  | 'LIBRARY_NOT_FOUND'
  | 'AMBIGUOUS_LIBRARY'
  | 'NOT_NVML'
  | 'INSTANCE_REPLACED'
  | 'PLACEMENT_UNAVAILABLE'
  | 'UNDO_FAILED'
  | 'ABANDONED'

/** A call that the session refused. Switch on `code`; `message` is for people and may change. */
export class SessionError extends Error {
  static {
    SessionError.prototype.name = 'SessionError'
  }
  /** What to switch on. */
  readonly code: SessionErrorCode

  constructor(code: SessionErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
