/** The answer to a snapshot as the worker gives it: sections, one after the other, each a heading and its records. */
import {
  computeInstanceBytes,
  computeInstanceProfileBytes,
  decodeSection,
  figureBytes,
  gpuDescriptionBytes,
  gpuInstanceBytes,
  gpuInstanceProfileBytes,
  memoryBytes,
  migDeviceBytes,
  migModeBytes,
  NONE,
  type OutcomeRecord,
  processBytes,
  SectionKind,
  sectionBytes
} from './records.js'

export type SectionName = keyof typeof SectionKind

const RECORD_BYTES: Readonly<Record<SectionName, number>> = {
  gpu: 0,
  description: gpuDescriptionBytes,
  memory: memoryBytes,
  migMode: migModeBytes,
  readings: figureBytes,
  profiles: gpuInstanceProfileBytes,
  computeProfiles: computeInstanceProfileBytes,
  gpuInstances: gpuInstanceBytes,
  computeInstances: computeInstanceBytes,
  migDevices: migDeviceBytes,
  computeProcesses: processBytes,
  graphicsProcesses: processBytes,
  mpsProcesses: processBytes
}
const NAMES = Object.keys(SectionKind) as SectionName[]

type Decode<T> = (view: DataView, at: number) => T

/** Records of one kind, or why there are none. */
export class Section {
  readonly name: SectionName
  /** What of the GPU they belong to: see SectionKind. */
  readonly of: number
  readonly outcome: OutcomeRecord
  readonly count: number
  readonly #view: DataView
  readonly #at: number

  constructor(view: DataView, at: number) {
    const { kind, of, count, outcome } = decodeSection(view, at)
    this.name = NAMES[kind]!
    this.of = of
    this.count = count
    this.outcome = outcome[0]!
    this.#view = view
    this.#at = at + sectionBytes
  }

  get end(): number {
    return this.#at + this.count * RECORD_BYTES[this.name]
  }

  record<T>(decode: Decode<T>, index = 0): T {
    return decode(this.#view, this.#at + index * RECORD_BYTES[this.name])
  }

  records<T>(decode: Decode<T>): T[] {
    const list: T[] = []
    for (let index = 0; index < this.count; index++) list.push(this.record(decode, index))
    return list
  }
}

/** The sections of one GPU. */
export class GpuSections {
  /** Whether NVML would open it. */
  readonly opened: OutcomeRecord
  readonly #sections: Section[] = []

  constructor(gpu: Section) {
    this.opened = gpu.outcome
  }

  add(section: Section): void {
    this.#sections.push(section)
  }

  find(name: SectionName, of = NONE): Section | undefined {
    return this.#sections.find(section => section.name === name && section.of === of)
  }
}

/** The sections from `at` to the end of the answer, GPU by GPU. */
export function sectionsByGpu(view: DataView, at: number): GpuSections[] {
  const gpus: GpuSections[] = []
  for (let next = at; next < view.byteLength; ) {
    const section = new Section(view, next)
    if (section.name === 'gpu') gpus.push(new GpuSections(section))
    else gpus.at(-1)!.add(section)
    next = section.end
  }
  return gpus
}
