/** `node:diagnostics_channel` `nvml-mig:call`: every call of NVML, told to whoever subscribes. */
import { channel } from 'node:diagnostics_channel'
import { type NvmlCode, nvmlCode } from './errors.js'
import { callRecordBytes, decodeCallRecord, decodeResultHeader } from './records.js'

/** What the channel publishes: one call of one function, once the method that made it has its answer. */
export interface NvmlCall {
  /** Tells sessions of this thread apart: 1, 2, … */
  session: number
  /** The function: `nvmlDeviceGetMigMode`. */
  call: string
  /** What it answered; `SUCCESS` too. */
  code: NvmlCode | 'SUCCESS'
  /** nvmlReturn_t as a number. */
  status: number
  /** Time in the library, milliseconds. */
  durationMs: number
  /** For what it was called: `list the GPU instances of GPU 0`. */
  doing: string
  /** Index of the GPU concerned; undefined where none is. */
  gpu: number | undefined
}

const calls = channel('nvml-mig:call')

/** Whether anybody listens; while nobody does, calls are not recorded. */
export const isHeard = (): boolean => calls.hasSubscribers

/** Publishes what was called for an answer, which its last records say; returns the answer without them. */
export function publishCalls(
  view: DataView,
  session: number,
  symbols: readonly string[],
  { doing, gpu }: { doing: string; gpu?: number }
): DataView {
  const { calls: count } = decodeResultHeader(view, 0)
  if (count === 0) return view
  const end = view.byteLength - count * callRecordBytes
  for (let at = end; at < view.byteLength; at += callRecordBytes) {
    const { call, status, nanoseconds } = decodeCallRecord(view, at)
    const message: NvmlCall = {
      session,
      call: symbols[call] ?? 'NVML',
      code: status === 0 ? 'SUCCESS' : nvmlCode(status),
      status,
      durationMs: nanoseconds / 1e6,
      doing,
      gpu
    }
    calls.publish(message)
  }
  return new DataView(view.buffer, 0, end)
}
