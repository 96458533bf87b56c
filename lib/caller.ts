import { NvmlError, SessionError } from './errors.js'
import { LayoutError } from './layout/errors.js'

/**
 * Runs `body` for `method` and gives an error of ours the stack of the call to `method`. By the time
 * NVML has answered, the caller's frames are gone unless the promise was awaited at once; so they are
 * noted before. Noting costs a microsecond, and nothing is formatted until somebody reads it.
 */
export async function asCalled<T>(method: (...args: never[]) => unknown, body: () => Promise<T>): Promise<T> {
  const site: { stack?: unknown } = {}
  Error.captureStackTrace(site, method)
  try {
    return await body()
  } catch (error) {
    if (error instanceof NvmlError || error instanceof SessionError || error instanceof LayoutError) {
      const frames = typeof site.stack === 'string' ? site.stack.indexOf('\n    at ') : -1
      if (frames >= 0) error.stack = `${error.name}: ${error.message}${(site.stack as string).slice(frames)}`
    }
    throw error
  }
}
