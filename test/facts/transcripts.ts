/** Recorded nvidia-smi runs (transcripts.json) and readers for the tables they print. */
import { readFileSync } from 'node:fs'

export interface Transcript {
  id: string
  model: string
  driver: string
  command: string
  output: string
  source: string
  check?: {
    map: 'straight' | 'swapped'
    start: [profileId: number, gpuInstanceId: number][]
    seq: [profileId: number, outcome: number | 'INSUFFICIENT'][]
    expect_rule: boolean
    free?: Record<string, number>
  }
}

const file = JSON.parse(readFileSync(new URL('./transcripts.json', import.meta.url), 'utf8')) as { transcripts: Transcript[] }

export const transcripts: readonly Transcript[] = file.transcripts

export function transcript(id: string): Transcript {
  const found = transcripts.find(entry => entry.id === id)
  if (!found) throw new Error(`no transcript ${id}`)
  return found
}

export interface ProfileRow {
  name: string
  id: number
  free: number
  total: number
  memoryGiB: number
  multiprocessors: number
  decoder: number
  encoder: number
  copy: number
  jpeg: number
  opticalFlow: number
}

const numbers = (line: string): number[] => (line.match(/\d+(\.\d+)?/g) ?? []).map(Number)

/** `nvidia-smi mig -lgip`: two lines a profile. */
export function gpuInstanceProfiles(output: string): ProfileRow[] {
  const rows: ProfileRow[] = []
  const lines = output.split('\n')
  lines.forEach((line, i) => {
    const first = /^\|\s+\d+\s+MIG (\S+)\s+(\d+)\s+(\d+)\/(\d+)\s+([\d.]+)\s+No\s+(\d+)\s+(\d+)\s+(\d+)\s+\|$/.exec(line)
    if (!first) return
    const [id, free, total, memoryGiB, multiprocessors, decoder, encoder] = first.slice(2).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number
    ]
    const [copy, jpeg, opticalFlow] = numbers(lines[i + 1] ?? '') as [number, number, number]
    rows.push({
      name: first[1] as string,
      id,
      free,
      total,
      memoryGiB,
      multiprocessors,
      decoder,
      encoder,
      copy,
      jpeg,
      opticalFlow
    })
  })
  return rows
}

/** `nvidia-smi mig -lgipp`: one line a profile. */
export function possiblePlacements(output: string): { id: number; starts: number[]; size: number }[] {
  return [...output.matchAll(/Profile ID\s+(\d+) Placements?\s*: \{([\d,]+)\}:(\d+)/g)].map(([, id, starts, size]) => ({
    id: Number(id),
    starts: (starts as string).split(',').map(Number),
    size: Number(size)
  }))
}

export interface ComputeProfileRow {
  gpuInstance: number
  name: string
  id: number
  free: number
  total: number
  multiprocessors: number
  decoder: number
  encoder: number
  opticalFlow: number
  copy: number
  jpeg: number
}

/** `nvidia-smi mig -lcip`: one list per table printed, in order. */
export function computeInstanceProfiles(output: string): ComputeProfileRow[][] {
  return output
    .split('Compute instance profiles:')
    .slice(1)
    .map(table => {
      const lines = table.split('\n')
      return lines.flatMap((line, i) => {
        const first = /^\|\s+\d+\s+(\d+)\s+MIG (\S+)\s+(\d+)\*?\s+(\d+)\/(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\|$/.exec(line)
        if (!first) return []
        const [gpuInstance] = [Number(first[1])]
        const [id, free, total, multiprocessors, decoder, encoder, opticalFlow] = first.slice(3).map(Number) as [
          number,
          number,
          number,
          number,
          number,
          number,
          number
        ]
        const [copy, jpeg] = numbers(lines[i + 1] ?? '') as [number, number]
        return [
          { gpuInstance, name: first[2] as string, id, free, total, multiprocessors, decoder, encoder, opticalFlow, copy, jpeg }
        ]
      })
    })
}

/** `nvidia-smi mig -lgi`. */
export function gpuInstances(output: string): { gpu: number; profileId: number; id: number; start: number; size: number }[] {
  return [...output.matchAll(/^\|\s+(\d+)\s+MIG \S+\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s+\|$/gm)].map(row => {
    const [gpu, profileId, id, start, size] = row.slice(1).map(Number) as [number, number, number, number, number]
    return { gpu, profileId, id, start, size }
  })
}

/** `nvidia-smi mig -lci`. */
export function computeInstances(
  output: string
): { gpuInstance: number; profileId: number; id: number; start: number; size: number }[] {
  return [...output.matchAll(/^\|\s+\d+\s+(\d+)\s+MIG \S+\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s+\|$/gm)].map(row => {
    const [gpuInstance, profileId, id, start, size] = row.slice(1).map(Number) as [number, number, number, number, number]
    return { gpuInstance, profileId, id, start, size }
  })
}
