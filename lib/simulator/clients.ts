/** Processes that use a simulated GPU: they hold it, run in its instances and take its memory. */
import { randomInt } from 'node:crypto'
import { checkOptions, flag, optionalText, shown, wholeNumber } from '../arguments.js'
import { series } from '../layout/suggest.js'
import { Command, NONE, type NodeControl } from './control.js'
import { SimulatorError } from './errors.js'
import { Client } from './image-layout.js'

/** What `startClient` takes. */
export interface ClientOptions {
  /** Index of the GPU the process uses. */
  readonly gpu: number
  /** Id of the GPU instance it runs in; without one it holds the whole GPU. */
  readonly gpuInstance?: number
  /** Id of the compute instance it runs in. */
  readonly computeInstance?: number
  /** Its process id; chosen above those of real processes if left out. */
  readonly pid?: number
  /**
   * What nvmlSystemGetProcessName calls it, at most 39 bytes in UTF-8. If left out, the name that the kernel has
   * for a process that is followed, and 'client-PID' for one that is not.
   */
  readonly name?: string
  /** Memory it has taken, of the GPU's or of the instance's; 0 if left out, null if NVML is not to know it. */
  readonly memoryMiB?: number | null
  /** 'compute' if left out. */
  readonly kind?: ClientKind
  /**
   * Whether it is the process of this machine that has the `pid`, with whose end the client is gone: true demands
   * that there is one, false makes a simulated one of the same number. If left out, it is if there is one.
   */
  readonly follow?: boolean
}

/** Which of NVML's lists of processes a client is in. */
export type ClientKind = 'compute' | 'graphics' | 'mps'

const CLIENT_KINDS: readonly ClientKind[] = ['compute', 'graphics', 'mps']

/** A process that uses a simulated GPU, until `stop()` or, of one that is followed, its end. */
export interface SimulatedClient {
  readonly gpu: number
  readonly gpuInstance: number | undefined
  readonly computeInstance: number | undefined
  readonly pid: number
  /** The name it was given, if any. */
  readonly name: string | undefined
  readonly memoryMiB: number | null
  readonly kind: ClientKind
  /** Whether it is a process of this machine, with whose end it is gone. */
  readonly followed: boolean
  /** It uses the GPU no more; a real process goes on otherwise. Nothing happens if it ended before, or a reboot took it. */
  stop(): void
  [Symbol.dispose](): void
}

/** Room for a name in the image, less its end. */
const NAME_BYTES = Client.name.count - 1

/** SimulatorFollow of native/abi/simulator_control.h. */
const FOLLOW = { simulated: 0, real: 1, realIfItLives: 2 } as const

function followOf(pid: number | undefined, follow: unknown): number {
  if (follow === undefined) return pid === undefined ? FOLLOW.simulated : FOLLOW.realIfItLives
  if (!flag('startClient: follow', follow)) return FOLLOW.simulated
  if (pid === undefined) throw new TypeError('startClient: follow is about a process of this machine, whose pid is missing')
  return FOLLOW.real
}

function checkName(name: unknown): string | undefined {
  const text = optionalText('startClient: name', name)
  const bytes = Buffer.byteLength(text ?? '')
  if (bytes > NAME_BYTES)
    throw new RangeError(`startClient: name has at most ${NAME_BYTES} bytes in UTF-8; ${shown(text)} has ${bytes}`)
  return text
}

/** Starts a client on a node. `checkGpu` returns an index that the node has. */
export function startClient(
  control: NodeControl,
  options: ClientOptions,
  checkGpu: (method: string, gpu: number) => number
): SimulatedClient {
  const known = ['gpu', 'gpuInstance', 'computeInstance', 'pid', 'name', 'memoryMiB', 'kind', 'follow']
  checkOptions('startClient', options, known)
  const { gpuInstance, computeInstance, memoryMiB = 0, kind = 'compute' } = options
  const gpu = checkGpu('startClient', options.gpu)
  const name = checkName(options.name)
  const follow = followOf(options.pid, options.follow)
  // Linux gives no process a number of 2^22 or more.
  const pid = options.pid ?? randomInt(2 ** 22 + 1, 2 ** 31)
  wholeNumber('startClient: pid', pid, 1)
  if (computeInstance !== undefined && gpuInstance === undefined) {
    throw new TypeError('startClient: a computeInstance is one of a gpuInstance, which is missing')
  }
  if (memoryMiB !== null) wholeNumber('startClient: memoryMiB', memoryMiB)
  if (!CLIENT_KINDS.includes(kind))
    throw new RangeError(`startClient: kind is ${series(CLIENT_KINDS.map(shown), 'or')}, not ${shown(kind)}`)
  const ids = [
    gpuInstance === undefined ? NONE : wholeNumber('startClient: gpuInstance', gpuInstance),
    computeInstance === undefined ? NONE : wholeNumber('startClient: computeInstance', computeInstance)
  ]
  const place = [gpu, ...ids, pid, CLIENT_KINDS.indexOf(kind)]
  const followed = control.named(Command.startClient, name, ...place, memoryMiB ?? NONE, follow) === 'followed'
  const stop = (): void => {
    try {
      control.command(Command.stopClient, ...place)
    } catch (error) {
      if (!(error instanceof SimulatorError && ['NOT_FOUND', 'CLOSED'].includes(error.code))) throw error
    }
  }
  return { gpu, gpuInstance, computeInstance, pid, name, memoryMiB, kind, followed, stop, [Symbol.dispose]: stop }
}
