/** What a node is asked to be: the options of `simulate`, checked and written out in full. */
import { checkOptions, flag, shown } from '../arguments.js'
import { findBoard, underDriver } from './boards.js'
import type { NodePlan } from './compile-image.js'
import { identify } from './identity.js'
import { MAX_GPUS } from './image-layout.js'
import { findRelease } from './releases.js'

/**
 * How a board numbers its GPU instances: `straight` counts from memory slice 0 on, `swapped` has the
 * ids of the two halves exchanged. Both kinds of board are in the field, whatever the driver.
 */
export type GiNumbering = 'straight' | 'swapped'

/** Where a node's GPUs are: in the machine itself, or passed through to a virtual machine, which cannot reset them. */
export type Platform = 'bare-metal' | 'passthrough'

/** One GPU of a node, or several alike. */
export interface GpuRequest {
  /** A model such as 'A100-SXM4-40GB', in upper or lower case; 'A100-SXM4-40GB*2' stands for two. */
  readonly model: string
  /** `straight` if left out. */
  readonly giNumbering?: GiNumbering
}

/** What {@link simulate} takes. */
export interface SimulateOptions {
  /** The GPUs in the order of their indices: models, or models with what is special about a board. At most 16. */
  readonly gpus: readonly (string | GpuRequest)[]
  /** The driver release the node plays: a branch such as '550' (the default) or a version such as '515.86.01'. */
  readonly driver?: string
  /** Where to make the node, kept by `close()`; a node already there is taken if an equal request made it. */
  readonly dir?: string
  /** false: callers have neither root's rights nor a MIG capability. `setPrivileged` changes it later. */
  readonly privileged?: boolean
  /** 'bare-metal' if left out. */
  readonly platform?: Platform
}

/** A request with nothing left out; node.json keeps it. */
export interface NodeRequest {
  readonly driver: string
  readonly platform: Platform
  readonly privileged: boolean
  readonly gpus: readonly { readonly model: string; readonly giNumbering: GiNumbering }[]
}

function oneOf<T extends string>(what: string, value: unknown, choices: readonly T[]): T {
  if (value === undefined) return choices[0]!
  if (choices.includes(value as T)) return value as T
  throw new RangeError(`${what} is ${choices.map(shown).join(' or ')}, not ${shown(value)}`)
}

function expand(entry: unknown, index: number): NodeRequest['gpus'] {
  const request = (typeof entry === 'string' ? { model: entry } : entry) as GpuRequest
  checkOptions(`simulate: gpus[${index}]`, request, ['model', 'giNumbering'])
  if (typeof request.model !== 'string') {
    throw new TypeError(`simulate: gpus[${index}] is a model such as 'A100-SXM4-40GB', not ${shown(request.model)}`)
  }
  const [, name, times] = /^\s*(.*?)\s*(?:\*\s*(\d+))?\s*$/s.exec(request.model) as unknown as [
    string,
    string,
    string | undefined
  ]
  const count = Number(times ?? 1)
  if (count < 1 || count > MAX_GPUS)
    throw new RangeError(`simulate: gpus[${index}] asks for ${count} GPUs; a node has 1 to ${MAX_GPUS}`)
  const { model } = findBoard(name)
  const giNumbering = oneOf(`simulate: giNumbering of gpus[${index}]`, request.giNumbering, ['straight', 'swapped'])
  return Array.from({ length: count }, () => ({ model, giNumbering }))
}

/** Checks the options of `simulate`. Whatever is wrong with them is a sentence, and nothing was made yet. */
export function readRequest(options: SimulateOptions): NodeRequest {
  checkOptions('simulate', options, ['gpus', 'driver', 'dir', 'privileged', 'platform'])
  const { gpus, driver = '550', privileged = true } = options
  if (!Array.isArray(gpus)) throw new TypeError(`simulate: gpus is a list such as ['A100-SXM4-40GB'], not ${shown(gpus)}`)
  if (typeof driver !== 'string') throw new TypeError(`simulate: driver is a string such as '550', not ${shown(driver)}`)
  const expanded = gpus.flatMap(expand)
  if (expanded.length < 1 || expanded.length > MAX_GPUS) {
    throw new RangeError(`simulate: a node has 1 to ${MAX_GPUS} GPUs, not ${expanded.length}`)
  }
  return {
    driver: findRelease(driver).version,
    platform: oneOf('simulate: platform', options.platform, ['bare-metal', 'passthrough']),
    privileged: flag('simulate: privileged', privileged),
    gpus: expanded
  }
}

/** The boards, identities and driver release behind a request; throws where the driver does not know a board. */
export function planNode({ driver, platform, privileged, gpus }: NodeRequest): NodePlan {
  const release = findRelease(driver)
  return {
    release,
    platform,
    privileged,
    gpus: gpus.map(({ model, giNumbering }, index) => ({
      board: underDriver(findBoard(model), release),
      identity: identify(model, index),
      giNumbering
    }))
  }
}

/** What two requests differ in, in words; empty if they are equal. */
export function differences(asked: NodeRequest, made: NodeRequest): string[] {
  const list = (gpus: NodeRequest['gpus']): string =>
    gpus.map(({ model, giNumbering }) => (giNumbering === 'swapped' ? `${model} (swapped)` : model)).join(', ')
  const compared: [what: string, asked: unknown, made: unknown][] = [
    ['GPUs', list(asked.gpus), list(made.gpus)],
    ['driver', asked.driver, made.driver],
    ['platform', asked.platform, made.platform],
    ['privileged', asked.privileged, made.privileged]
  ]
  return compared.filter(([, a, b]) => a !== b).map(([what, a, b]) => `${what} ${b}, not ${a}`)
}
