/**
 * Figures that nobody recorded. NVML's structs know no null, so a board with such figures is played only
 * on request, with figures computed by the formulas of formulas.json, each of them named.
 */
import { series } from '../layout/suggest.js'
import { type BoardRow, type ComputeProfileRow, type GpuProfileRow, plainName } from './boards.js'
import { boards, formulas } from './data.js'
import { SimulatorError } from './errors.js'

/** A figure of a board that was computed because nobody recorded it. */
export interface FilledFigure {
  /** 'memoryMiB'; 'computeMultiprocessors' are a compute-instance profile's. */
  readonly figure: string
  /** The profile it belongs to: '3g.90gb', or '1c.2g.48gb of 2g.48gb'. Undefined for the board's own. */
  readonly of: string | undefined
  readonly value: string | number | readonly number[]
  /** How it was computed, in words. */
  readonly formula: string
}

type Figure = Exclude<keyof typeof formulas, 'format'>
type Profile = GpuProfileRow<null>

/** Slots of NVML_GPU_INSTANCE_PROFILE_* by compute slices and attribute, from the header of R610. */
const SLOTS: Readonly<Record<string, number>> = {
  '1': 0,
  '2': 1,
  '3': 2,
  '4': 3,
  '7': 4,
  '1+me': 7,
  '2+me': 8,
  '1+gfx': 10,
  '2+gfx': 11,
  '4+gfx': 12,
  '1-me': 13,
  '2-me': 14,
  '1+me.all': 15,
  '2+me.all': 16,
  '3+gfx': 17
}

/** Profile ids by the part of the board, one in so many, and attribute: A30 and RTX PRO 6000. */
const IDS: Readonly<Record<string, number>> = {
  '1': 0,
  '1+gfx': 32,
  '2': 5,
  '2+me': 6,
  '2+gfx': 35,
  '2+me.all': 64,
  '2-me': 66,
  '4': 14,
  '4+me': 21,
  '4+gfx': 47,
  '4+me.all': 65,
  '4-me': 67
}

const attributeOf = (name: string): string => name.slice(plainName(name).length)
const powerOfTwoFrom = (least: number): number => (least < 1 ? 0 : 2 ** Math.ceil(Math.log2(least)))

/** Computes what a row does not know, and takes down what was computed. */
class Filler {
  readonly row: BoardRow<null>
  readonly filled: FilledFigure[] = []
  /** The board whose rows it shares, and the one that figures are derived from. */
  readonly shared: BoardRow<null> | undefined
  readonly sibling: BoardRow<null> | undefined

  constructor(row: BoardRow<null>) {
    this.row = row
    this.shared = boards.find(({ model }) => model === row.sameAs)
    this.sibling = boards.find(({ model }) => model === (row.sibling ?? row.sameAs))
  }

  /** `known`, or else what the formula of `figure` comes to. */
  figure<T extends FilledFigure['value']>(
    figure: Figure,
    of: string | undefined,
    known: T | null,
    compute: () => T | null | undefined
  ): T {
    if (known !== null) return known
    const value = compute()
    if (value === null || value === undefined) {
      const what = of === undefined ? figure : `${figure} of ${of}`
      throw new SimulatorError(
        'UNKNOWN_FIGURES',
        `${this.row.model}: ${what} is not known and cannot be derived; give it in the row`
      )
    }
    this.filled.push({ figure, of, value, formula: formulas[figure] })
    return value
  }

  identity(): BoardRow['identity'] {
    const { model, identity, profiles } = this.row
    const shared = this.shared?.identity
    const gigabytes = (names: string[]) => Math.max(...names.map(name => Number(/(\d+)gb/i.exec(name)?.[1])))
    const own = <T extends string | number>(figure: Figure, known: T | null, compute: () => T | null | undefined) =>
      this.figure(figure, undefined, known, compute)
    const memoryTotalMiB = own(
      'memoryTotalMiB',
      identity.memoryTotalMiB,
      () => shared?.memoryTotalMiB ?? 1024 * gigabytes(profiles?.map(({ name }) => name) ?? [model])
    )
    return {
      ...identity,
      name: own('name', identity.name, () => derivedName(model)),
      pciDeviceId: own('pciDeviceId', identity.pciDeviceId, () => '0x000010DE'),
      pciSubSystemId: own('pciSubSystemId', identity.pciSubSystemId, () => '0x000010DE'),
      memoryTotalMiB,
      bar1TotalMiB: own('bar1TotalMiB', identity.bar1TotalMiB, () => shared?.bar1TotalMiB ?? powerOfTwoFrom(memoryTotalMiB)),
      multiprocessorCount: own(
        'multiprocessorCount',
        identity.multiprocessorCount,
        () => this.sibling?.identity.multiprocessorCount
      ),
      memorySlices: own('boardMemorySlices', identity.memorySlices, () => powerOfTwoFrom(identity.computeSlices))
    }
  }

  /** The profiles as far as they are known, or else the sibling's, called by the memory they would have here. */
  profiles({ memoryTotalMiB, memorySlices }: BoardRow['identity']): readonly Profile[] {
    const { profiles } = this.row
    if (profiles) return profiles
    const called = (name: string, part: number) =>
      name.replace(/\.\d+gb/, `.${Math.ceil(((memoryTotalMiB / 1024) * part) / memorySlices)}gb`)
    const carried = this.sibling?.profiles?.map(profile => ({
      ...profile,
      name: called(profile.name, profile.memorySlices!),
      memoryMiB: null,
      confidence: 'derived' as const,
      placementConfidence: 'derived' as const,
      computeInstances: profile.computeInstances!.map(row => ({
        ...row,
        name: called(row.name, profile.memorySlices!),
        confidence: 'derived' as const,
        placementConfidence: 'derived' as const
      }))
    }))
    this.figure('profiles', undefined, null, () => carried?.map(({ name }) => name).join(', '))
    return carried!
  }

  /** What a profile's compute instances are cut from: its shape and its share of the board. */
  profile(profile: Profile, identity: BoardRow['identity'], all: readonly Profile[]) {
    const { name, computeSlices, engines } = profile
    const before = this.filled.length
    const own = <T extends number | readonly number[]>(figure: Figure, known: T | null, compute: () => T | null | undefined) =>
      this.figure(figure, name, known, compute)
    const memorySlices = own('memorySlices', profile.memorySlices, () =>
      Math.min(powerOfTwoFrom(computeSlices), identity.memorySlices)
    )
    const slot = own('slot', profile.slot, () => SLOTS[computeSlices + attributeOf(name)])
    const made = {
      ...profile,
      slot,
      memorySlices,
      id: own('id', profile.id, () => IDS[identity.memorySlices / memorySlices + attributeOf(name)]),
      starts: own('starts', profile.starts, () =>
        Array.from({ length: identity.memorySlices / memorySlices }, (_, i) => i * memorySlices).filter(
          start => start + computeSlices <= identity.computeSlices
        )
      ),
      multiprocessors: own('multiprocessors', profile.multiprocessors, () =>
        this.#multiprocessors(slot, computeSlices, identity, all)
      ),
      engines: {
        ...engines,
        decoders: own('decoders', engines.decoders, () => computeSlices),
        jpegs: own('jpegs', engines.jpegs, () => computeSlices)
      },
      memoryMiB: own(
        'memoryMiB',
        profile.memoryMiB,
        () => Math.floor((identity.memoryTotalMiB * memorySlices) / identity.memorySlices / 64) * 64
      ),
      placementConfidence: profile.placementConfidence ?? 'derived'
    }
    return this.filled.length > before ? { ...made, confidence: 'derived' as const } : made
  }

  #multiprocessors(slot: number, slices: number, identity: BoardRow['identity'], all: readonly Profile[]): number {
    const alike = this.sibling?.profiles?.find(other => other.slot === slot)?.multiprocessors
    if (alike) return alike
    if (slices === identity.computeSlices) return identity.multiprocessorCount
    const first = (profiles: readonly Profile[] | null | undefined) => profiles?.find(other => other.slot === 0)?.multiprocessors
    const one = first(all) ?? first(this.sibling?.profiles)
    return one ? slices * one : Math.floor((identity.multiprocessorCount * slices) / identity.computeSlices / 2) * 2
  }

  /** The compute instances of a profile that is itself complete. */
  computeInstances(profile: Omit<GpuProfileRow, 'computeInstances'>, rows: Profile['computeInstances'], all: readonly Profile[]) {
    const known = rows ?? this.#smallAndFull(profile)
    return known.map((row): ComputeProfileRow => {
      if (row.multiprocessors !== null) return row as ComputeProfileRow
      const multiprocessors = this.figure('computeMultiprocessors', `${row.name} of ${profile.name}`, null, () =>
        row.slices === profile.computeSlices
          ? profile.multiprocessors
          : (all.find(other => other.slot === row.slices - 1 && attributeOf(other.name) === '')?.multiprocessors ??
            Math.floor((profile.multiprocessors * row.slices) / profile.computeSlices))
      )
      return { ...row, multiprocessors, confidence: 'derived' }
    })
  }

  #smallAndFull({ name, computeSlices }: Omit<GpuProfileRow, 'computeInstances'>): readonly ComputeProfileRow<null>[] {
    const plain = plainName(name)
    const sizes = [1, 2].filter(slices => slices < computeSlices).concat(computeSlices)
    this.figure('computeInstances', name, null, () => sizes.map(slices => `${slices}c`).join(', '))
    return sizes.map(slices => ({
      name: slices === computeSlices ? plain : `${slices}c.${plain}`,
      id: slices - 1,
      slices,
      instances: Math.floor(computeSlices / slices),
      multiprocessors: null,
      starts: Array.from({ length: computeSlices - slices + 1 }, (_, start) => start),
      size: slices,
      confidence: 'derived',
      placementConfidence: 'derived'
    }))
  }
}

/** What the formula of 'name' comes to. */
export const derivedName = (model: string): string => `NVIDIA ${model.replaceAll('-', ' ')}`

/** The row with nothing unknown, and the figures that had to be computed for it. */
export function fillUnknown(row: BoardRow<null>): { readonly board: BoardRow; readonly filled: readonly FilledFigure[] } {
  const filler = new Filler(row)
  const identity = filler.identity()
  const known = filler.profiles(identity)
  const shapes = known.map(profile => filler.profile(profile, identity, known))
  const profiles = shapes.map(shape => ({
    ...shape,
    computeInstances: filler.computeInstances(shape, shape.computeInstances, shapes)
  }))
  return { board: { ...row, identity, profiles }, filled: filler.filled }
}

/** The figures with their profiles called as a driver or a make of the board calls them. */
export function renameFilled(filled: readonly FilledFigure[], names: Readonly<Record<string, string>>): readonly FilledFigure[] {
  const pairs = Object.entries(names).map(([was, is]) => [plainName(was), plainName(is)] as const)
  return filled.map(each => ({ ...each, of: pairs.reduce((of, [was, is]) => of?.replaceAll(was, is), each.of) }))
}

/** "memoryMiB of 3g.90gb and 4g.90gb; bar1TotalMiB; starts of every profile". */
export function unknowns({ profiles }: BoardRow, filled: readonly FilledFigure[]): string {
  const figures = new Map<string, Set<string>>()
  for (const { figure, of } of filled) {
    const owners = figures.get(figure) ?? new Set()
    figures.set(figure, of === undefined ? owners : owners.add(of.replace(/^.* of /, '')))
  }
  const sentence = ([figure, owners]: [string, Set<string>]): string => {
    if (owners.size === 0) return figure
    return `${figure} of ${owners.size === profiles.length ? 'every profile' : series([...owners])}`
  }
  return [...figures].map(sentence).join('; ')
}
