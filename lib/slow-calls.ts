/** Watches for calls that stay in NVML. */

/** A call that has not come back for long. Whatever it is for waits, and so does what was asked of its session after it. */
export interface SlowCall {
  /** The function: `nvmlDeviceCreateGpuInstance`. */
  call: string
  /** For what it was called: `create a 1g.5gb MIG device on GPU 0`. */
  doing: string
  /** For how long it was seen to run, milliseconds; it may have begun earlier. */
  runningMs: number
  /** Index of the GPU concerned; undefined where none is. */
  gpu: number | undefined
}

/** What was asked of a session and has no answer yet. */
interface Asked {
  readonly doing: string
  readonly gpu?: number
}

/** The watch of one session. */
export class SlowCalls {
  readonly #onSlow: (slow: SlowCall) => void
  readonly #afterMs: number
  /** The call that the session's worker is in; a new one has a new number. */
  readonly #running: () => { number: number; call: string } | null
  /** In the order in which they are answered. */
  readonly #asked: Asked[] = []
  #timer: NodeJS.Timeout | undefined
  #seen: { number: number; since: number; told: boolean } | undefined

  constructor(onSlow: (slow: SlowCall) => void, afterMs: number, running: () => { number: number; call: string } | null) {
    this.#onSlow = onSlow
    this.#afterMs = afterMs
    this.#running = running
  }

  /** Looks on until there is an answer. */
  async watch<T>(asked: Asked, answer: Promise<T>): Promise<T> {
    this.#asked.push(asked)
    this.#timer ??= setInterval(() => this.#look(), this.#afterMs / 2).unref()
    try {
      return await answer
    } finally {
      this.#asked.splice(this.#asked.indexOf(asked), 1)
      if (this.#asked.length === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
        this.#seen = undefined
      }
    }
  }

  #look(): void {
    const running = this.#running()
    const now = performance.now()
    if (running === null || running.number !== this.#seen?.number) {
      this.#seen = running === null ? undefined : { number: running.number, since: now, told: false }
      return
    }
    const runningMs = now - this.#seen.since
    if (this.#seen.told || runningMs < this.#afterMs) return
    this.#seen.told = true
    const { doing, gpu } = this.#asked[0]!
    this.#onSlow({ call: running.call, doing, runningMs, gpu })
  }
}
