/** One opened library: what a session, its GPUs and its instances call through. */
import { type Binding, binding } from './binding.js'
import { isHeard, publishCalls } from './call-channel.js'
import { NvmlError, SessionError } from './errors.js'
import {
  decodeFailure,
  decodeGpu,
  decodeRelease,
  decodeResultHeader,
  decodeSessionInfo,
  type GpuRecord,
  gpuBytes,
  Operation,
  type ReleaseRecord,
  type ResultHeaderRecord,
  resultHeaderBytes,
  type SessionInfoRecord,
  SessionStatus,
  sessionInfoBytes
} from './records.js'
import { type SlowCall, SlowCalls } from './slow-calls.js'

/** A kind of record that results hold. */
export interface RecordKind<T> {
  bytes: number
  decode(view: DataView, at: number): T
}

/** One operation to ask the session's worker for. */
export interface Task {
  operation: keyof typeof Operation
  args: readonly number[]
  /** What it does, as it follows "cannot" in an error: `destroy GPU instance 3 on GPU 0`. */
  doing: string
  /** Index of the GPU concerned. */
  gpu?: number
  text?: string
}

const OPENING = 'open NVML'

/** How a connection is to be. */
export interface ConnectionOptions {
  /** Left out, the driver's. */
  library: string | undefined
  readOnly: boolean
  /** Is told of calls that have not come back after `slowMs`. */
  onSlow: ((slow: SlowCall) => void) | undefined
  slowMs: number
  /** May give a better hint for a status that initialisation ended with, from the library's own version, '' if it does not tell it. */
  advise: (status: number, nvmlVersion: string) => Promise<string | undefined>
}

/** What NVML says of the node when it is initialised. */
export interface Opened {
  info: SessionInfoRecord
  gpus: GpuRecord[]
}

function refusedByLoader(status: number, library: string | undefined, words: string): SessionError | undefined {
  switch (status) {
    case SessionStatus.libraryNotFound: {
      const tried = library === undefined ? 'the loader finds no libnvidia-ml.so.1' : `the loader cannot load ${library}`
      const cure =
        library === undefined
          ? "Install the NVIDIA driver (in a container: pass the driver's utilities in), name another file with open({ library }), " +
            "or work without a GPU on a simulated node: simulate() of 'nvml-mig/simulator'."
          : "'library' names the file of an NVML library; without it open() takes the one of the driver."
      return new SessionError('LIBRARY_NOT_FOUND', `cannot ${OPENING}: ${tried} (${words}). ${cure}`)
    }
    case SessionStatus.ambiguousLibrary:
      return new SessionError(
        'AMBIGUOUS_LIBRARY',
        `cannot ${OPENING}: without 'library' the loader would hand out the library that this process opened by path before` +
          `${words === '' ? '' : ` (${words})`}, not the driver's. Name the file with open({ library }), or open the driver's in another process.`
      )
    case SessionStatus.notNvml:
      return new SessionError(
        'NOT_NVML',
        `cannot ${OPENING}: ${library ?? 'libnvidia-ml.so.1'} is not NVML: it has no nvmlInit_v2`
      )
    default:
      return undefined
  }
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #native: Binding
  readonly #session: number
  readonly #symbols: readonly string[]
  readonly #slow: SlowCalls | undefined
  #closing: Promise<void> | undefined
  /** There from suspend() until a resume() has succeeded. */
  #suspension: Promise<ReleaseRecord> | undefined
  #resumption: Promise<Opened> | undefined
  /** The last method under way that may ask several times. */
  #turn: Promise<void> | undefined
  #unfinished = 0
  #finished: (() => void)[] = []

  private constructor(options: ConnectionOptions, native: Binding, session: number) {
    this.#options = options
    this.#native = native
    this.#session = session
    this.#symbols = native.symbols()
    const { onSlow, slowMs } = options
    this.#slow = onSlow && new SlowCalls(onSlow, slowMs, () => this.#running())
  }

  /** Opens a library and initialises NVML. */
  static async open(options: ConnectionOptions): Promise<{ connection: Connection } & Opened> {
    const native = binding()
    const answer = native.open(options.library ?? null, isHeard())
    const connection = new Connection(options, native, native.lastSession())
    return { connection, ...(await connection.#opened(answer)) }
  }

  /** Refuses what would change something. */
  get readOnly(): boolean {
    return this.#options.readOnly
  }

  async #opened(answer: Promise<ArrayBuffer>): Promise<Opened> {
    const { view, status, call, count } = await this.#answered(answer, { doing: OPENING })
    if (status === SessionStatus.closed || status === SessionStatus.abandoned) {
      throw new SessionError('CLOSED', `cannot ${OPENING}: the session was closed meanwhile`)
    }
    if (status !== 0) {
      const { library, advise } = this.#options
      const words = count > 0 ? decodeFailure(view, resultHeaderBytes).text : ''
      throw (
        refusedByLoader(status, library, words) ??
        new NvmlError({
          status,
          call: this.#symbols[call] ?? 'nvmlInit_v2',
          doing: OPENING,
          hint: await advise(status, words)
        })
      )
    }
    const first = resultHeaderBytes + sessionInfoBytes
    const gpus = Array.from({ length: count }, (_, i) => decodeGpu(view, first + i * gpuBytes))
    return { info: decodeSessionInfo(view, resultHeaderBytes), gpus }
  }

  /** The NVML function that a record names by number. */
  symbol(index: number): string {
    return this.#symbols[index] ?? 'NVML'
  }

  /** Throws CLOSED, SUSPENDED, or READ_ONLY for a change: what no driver needs to be asked for. */
  #admit(doing: string, changes: boolean): void {
    this.#mustBeOpen(doing)
    if (this.#suspension) throw new SessionError('SUSPENDED', `cannot ${doing}: the session is suspended until resume()`)
    if (changes && this.readOnly) {
      throw new SessionError('READ_ONLY', `cannot ${doing}: the session was opened with { readOnly: true }`)
    }
  }

  #mustBeOpen(doing: string): void {
    if (this.#closing) throw new SessionError('CLOSED', `cannot ${doing}: the session is closed`)
  }

  /**
   * A method that asks once. Every method runs in one of these two, so that methods take effect in
   * the order they were called and a close waits for those called before it.
   */
  async once<T>(doing: string, changes: boolean, body: () => Promise<T>): Promise<T> {
    this.#admit(doing, changes)
    this.#unfinished++
    try {
      if (this.#turn) await this.#turn
      return await body()
    } finally {
      this.#end()
    }
  }

  /** A method that may ask several times: what is called after it waits until it is through. */
  async whole<T>(doing: string, changes: boolean, body: () => Promise<T>): Promise<T> {
    this.#admit(doing, changes)
    this.#unfinished++
    const before = this.#turn
    let through: (() => void) | undefined
    const turn = new Promise<void>(resolve => {
      through = resolve
    })
    this.#turn = turn
    try {
      if (before) await before
      return await body()
    } finally {
      if (this.#turn === turn) this.#turn = undefined
      through?.()
      this.#end()
    }
  }

  #end(): void {
    this.#unfinished--
    if (this.#unfinished === 0) for (const finished of this.#finished.splice(0)) finished()
  }

  /** Waits until no method is under way. */
  async #idle(): Promise<void> {
    if (this.#unfinished > 0) await new Promise<void>(resolve => this.#finished.push(resolve))
  }

  /** Carries a task out that has no result. */
  async run(task: Task): Promise<void> {
    await this.#ask(task)
  }

  /** Carries a task out that results in one record. */
  async one<T>(task: Task, kind: RecordKind<T>): Promise<T> {
    return kind.decode(await this.#ask(task), resultHeaderBytes)
  }

  /** Carries a task out that results in any number of records. */
  async list<T>(task: Task, kind: RecordKind<T>): Promise<T[]> {
    const view = await this.#ask(task)
    const { count } = decodeResultHeader(view, 0)
    return Array.from({ length: count }, (_, i) => kind.decode(view, resultHeaderBytes + i * kind.bytes))
  }

  async #ask(task: Task): Promise<DataView> {
    const { operation, args, text } = task
    const answer = this.#native.call(this.#session, Operation[operation], args, text, isHeard())
    const { view, ...header } = await this.#answered(answer, task)
    if (header.status !== 0) throw this.#refusal(header, task)
    return view
  }

  /** The answer to what was asked of the worker, after those who look on have had their share. */
  async #answered(
    answer: Promise<ArrayBuffer>,
    asked: { doing: string; gpu?: number }
  ): Promise<{ view: DataView } & ResultHeaderRecord> {
    const whole = new DataView(await (this.#slow ? this.#slow.watch(asked, answer) : answer))
    const view = publishCalls(whole, this.#session, this.#symbols, asked)
    return { view, ...decodeResultHeader(view, 0) }
  }

  #running(): { number: number; call: string } | null {
    const running = this.#native.running(this.#session)
    return running && { number: running.number, call: this.symbol(running.call) }
  }

  #refusal({ status, call }: ResultHeaderRecord, { operation, doing, gpu }: Task): NvmlError | SessionError {
    switch (status) {
      case SessionStatus.closed: // the rest of a method that was let go of in its middle
      case SessionStatus.abandoned:
        return new SessionError(
          'ABANDONED',
          `close() ran out of time before it could ${doing}; whether that took effect is unknown`
        )
      case SessionStatus.instanceReplaced:
        return new SessionError(
          'INSTANCE_REPLACED',
          `cannot ${doing}: under that id there is another instance now, of another profile or at another place. ` +
            'Nothing was changed; gpu.instances() and gpu.devices() list what there is.'
        )
      case SessionStatus.placementUnavailable:
        return new SessionError(
          'PLACEMENT_UNAVAILABLE',
          `cannot ${doing}: this driver cannot create at a chosen place. Without 'start' the driver chooses.`
        )
      case SessionStatus.undoFailed:
        return new SessionError(
          'UNDO_FAILED',
          `cannot ${doing}: a part of it was created before the rest was refused, and could not be destroyed again ` +
            `(${this.symbol(call)}). gpu.instances() lists it.`
        )
      default:
        return new NvmlError({ status, call: this.symbol(call), doing, gpu, changes: /^(create|destroy)/.test(operation) })
    }
  }

  /**
   * Waits for what was asked before and shuts NVML down. With `timeoutMs`, lets go of what has not
   * ended by then.
   */
  close(timeoutMs: number | undefined): Promise<void> {
    this.#closing ??= this.#shutDown()
    if (timeoutMs === undefined) return this.#closing
    const timer = setTimeout(() => this.#native.abandon(this.#session), timeoutMs)
    return this.#closing.finally(() => clearTimeout(timer))
  }

  async #shutDown(): Promise<void> {
    await this.#idle()
    await this.#letGo(this.#native.close(this.#session, isHeard()))
  }

  /** What is left of the library once NVML is shut down. */
  async #letGo(answer: Promise<ArrayBuffer>): Promise<ReleaseRecord> {
    const doing = 'shut NVML down'
    const { view, status, call, count } = await this.#answered(answer, { doing })
    if (status === SessionStatus.closed) throw new SessionError('CLOSED', `cannot ${doing}: the session is closed`)
    if (status !== 0 && status !== SessionStatus.abandoned) {
      throw new NvmlError({ status, call: this.symbol(call), doing })
    }
    return count > 0 ? decodeRelease(view, resultHeaderBytes) : { unloaded: 0, others: 0 }
  }

  /** Waits for what was asked before, shuts NVML down and unloads the library; the second time nothing happens. */
  suspend(): Promise<ReleaseRecord> {
    this.#mustBeOpen('suspend the session')
    this.#suspension ??= this.#idle().then(() => this.#letGo(this.#native.suspend(this.#session, isHeard())))
    return this.#suspension
  }

  /** Opens the library anew; undefined if it was not suspended. After an error it still is. */
  async resume(): Promise<Opened | undefined> {
    this.#mustBeOpen('resume the session')
    const suspension = this.#suspension
    if (suspension === undefined) return undefined
    this.#resumption ??= suspension
      .catch(() => {})
      .then(() => this.#opened(this.#native.resume(this.#session, isHeard())))
      .finally(() => {
        this.#resumption = undefined
      })
    const opened = await this.#resumption
    if (this.#suspension === suspension) this.#suspension = undefined
    return opened
  }
}
