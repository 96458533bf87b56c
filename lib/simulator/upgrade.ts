/**
 * A driver upgrade, as a package manager makes it: the library is another one at once, the kernel module stays
 * until it is reloaded. The new module's image waits beside the node's until then.
 */
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../arguments.js'
import { compileImage, type NodePlan } from './compile-image.js'
import { SimulatorError } from './errors.js'
import { replaceFile } from './loaded-module.js'
import type { NodePlace } from './node-directory.js'
import { builtLibrary, libraryOf } from './node-library.js'
import { findRelease } from './releases.js'
import { isOwnDriver } from './replay.js'
import { type NodeRequest, planNode } from './request.js'

/**
 * The node that a request makes under another driver release, without the instances that it had from the start.
 * RangeError where the release does not know a board.
 */
export function planUnder(request: NodeRequest, driver: string): NodePlan {
  const gpus = request.gpus.map(({ mig, instances, ...gpu }) => gpu)
  // A snapshot's own may be newer than the releases that are known.
  const isOwn = request.from !== undefined && isOwnDriver(request.from, driver)
  return planNode({ ...request, gpus, driver: isOwn ? driver : findRelease(driver).version })
}

/** {@link planUnder} for a release that somebody asks for, who is told what is wrong with it. */
function planFor(request: NodeRequest, driver: string): NodePlan {
  try {
    return planUnder(request, driver)
  } catch (cause) {
    const sentence = `upgradeDriver: ${(cause as Error).message}. Nothing was changed.`
    if (cause instanceof SimulatorError) throw new SimulatorError(cause.code, sentence, cause.status, { cause })
    if (cause instanceof RangeError) throw new RangeError(sentence, { cause })
    throw cause
  }
}

/**
 * Installs a driver release in a node that has the module `loaded`. The image comes first: where its maker
 * dies between the two, an upgrade to either release puts it right.
 */
export function installDriver(place: NodePlace, request: NodeRequest, driver: string, loaded: string): void {
  if (typeof driver !== 'string') throw new TypeError(`upgradeDriver: driver is a string such as '570', not ${shown(driver)}`)
  const plan = planFor(request, driver)
  const image = join(place.dir, 'node.image')
  const next = `${image}.next`
  try {
    const library = libraryOf(plan.release, readFileSync(builtLibrary()))
    if (plan.release.version === loaded) {
      rmSync(next, { force: true })
    } else {
      const description = readFileSync(join(place.dir, 'node.json'), 'utf8')
      replaceFile(next, compileImage(plan, description), statSync(image).mode)
    }
    replaceFile(place.library, library, statSync(place.library).mode)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    throw new SimulatorError('UNUSABLE_DIRECTORY', `the driver in ${place.dir} cannot be upgraded (${code})`, undefined, {
      cause
    })
  }
}
