/** What a worker's answer says of a node, as plain data: no further questions, and each refusal where its answer would stand. */
import { checkOptions, shown } from './arguments.js'
import type { Connection } from './connection.js'
import type { Gpu, MigMode } from './gpu.js'
import { profileOf } from './mig-device.js'
import { architectureName, brandName } from './nvml-names.js'
import { describeComputeInstanceProfile, describeGpuInstanceProfile, enginesOf, inOrder } from './profiles.js'
import {
  type ComputeInstanceProfileRecord,
  type ComputeInstanceRecord,
  decodeComputeInstance,
  decodeComputeInstanceProfile,
  decodeGpuDescription,
  decodeGpuInstance,
  decodeGpuInstanceProfile,
  decodeMigDevice,
  decodeMigMode,
  type GpuDescriptionRecord,
  GpuFigure,
  type MigDeviceRecord,
  NONE,
  type OutcomeRecord,
  type SessionInfoRecord,
  SnapshotPart
} from './records.js'
import type {
  ComputeInstanceProfileSnapshot,
  ComputeInstanceSnapshot,
  DriverSnapshot,
  GpuInstanceProfileSnapshot,
  GpuInstanceSnapshot,
  GpuSnapshot,
  MigDeviceSnapshot,
  ProcessSnapshot,
  SnapshotOptions
} from './snapshot.js'
import { Notes } from './snapshot-notes.js'
import { describeMemory, describeMigMemory, describeProcesses, describeReadings } from './snapshot-readings.js'
import { type GpuSections, sectionsByGpu } from './snapshot-sections.js'

export type Included = Readonly<Record<keyof typeof SnapshotPart, boolean>>

const PARTS = Object.keys(SnapshotPart) as (keyof Included)[]

/** Where no profile is listed, NVML answered NOT_SUPPORTED for each. */
const NO_PROFILES = { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetGpuInstanceProfileInfo' } as const
const NO_COMPUTE_PROFILES = { ...NO_PROFILES, call: 'nvmlGpuInstanceGetComputeInstanceProfileInfo' } as const

const NOT_FOUND = 6
/** What a GPU without MIG answers when asked for its mode. */
const NO_MIG: ReadonlySet<number> = new Set([3, 13])

const hexadecimal = (id: number): string => `0x${id.toString(16).toUpperCase().padStart(8, '0')}`
const orNull = (value: number): number | null => (value === NONE ? null : value)

/** The parts that a snapshot is to have. */
export function includedParts(options: SnapshotOptions): Included {
  checkOptions('snapshot', options, ['include'])
  const { include = {} } = options
  checkOptions('snapshot: include', include, PARTS)
  const wanted = (part: keyof Included): boolean => {
    const value: unknown = include[part]
    if (value === undefined || typeof value === 'boolean') return value ?? true
    throw new TypeError(`snapshot: include.${part} is true or false, not ${shown(value)}`)
  }
  return Object.fromEntries(PARTS.map(part => [part, wanted(part)])) as Included
}

/** The same as the worker takes it. */
export const partBits = (included: Included): number =>
  PARTS.reduce((bits, part) => bits | (Number(included[part]) << SnapshotPart[part]), 0)

/** The versions of a driver, as they were read when the session was opened. */
export function describeDriver(connection: Connection, record: SessionInfoRecord, cudaVersion: string | null): DriverSnapshot {
  const notes = new Notes(connection)
  const [version, nvml, cuda] = record.outcomes as [OutcomeRecord, OutcomeRecord, OutcomeRecord]
  return {
    version: notes.figure(version, record.driverVersion, 'version'),
    nvml: notes.figure(nvml, record.nvmlVersion, 'nvml'),
    cuda: notes.figure(cuda, cudaVersion, 'cuda'),
    unavailable: notes.unavailable
  }
}

/** What a board says of itself; all null if NVML would not open the GPU. */
function describeBoard(notes: Notes, record: GpuDescriptionRecord | undefined) {
  const told = <T>(figure: keyof typeof GpuFigure, read: (record: GpuDescriptionRecord) => T, ...fields: string[]): T | null =>
    record ? notes.figure(record.outcomes[GpuFigure[figure]]!, read(record), ...(fields.length > 0 ? fields : [figure])) : null
  const pci = told('pci', it => it, 'pciBusId', 'pciDeviceId', 'pciSubSystemId')
  return {
    name: told('name', it => it.name),
    serial: told('serial', it => it.serial),
    pciBusId: pci === null ? null : pci.busId,
    pciDeviceId: pci && hexadecimal(pci.pciDeviceId),
    pciSubSystemId: pci && hexadecimal(pci.pciSubSystemId),
    minorNumber: told('minorNumber', it => it.minorNumber),
    boardPartNumber: told('boardPartNumber', it => it.boardPartNumber),
    vbiosVersion: told('vbiosVersion', it => it.vbiosVersion),
    brand: told('brand', it => brandName(it.brand)),
    architecture: told('architecture', it => architectureName(it.architecture)),
    computeCapability: told('computeCapability', it => `${it.computeCapabilityMajor}.${it.computeCapabilityMinor}`),
    maxMigDevices: told('maxMigDevices', it => it.maxMigDevices)
  }
}

/** One GPU, from its sections. */
class GpuReader {
  readonly #gpu: Gpu
  readonly #sections: GpuSections
  readonly #included: Included
  readonly #connection: Connection
  readonly #notes: Notes

  constructor(connection: Connection, gpu: Gpu, sections: GpuSections, included: Included) {
    this.#connection = connection
    this.#gpu = gpu
    this.#sections = sections
    this.#included = included
    this.#notes = new Notes(connection)
  }

  read(): GpuSnapshot {
    const { index, uuid } = this.#gpu
    const { readings, instances, processes } = this.#included
    this.#notes.figure(this.#sections.opened, null, 'gpu')
    const record = this.#sections.find('description')?.record(decodeGpuDescription)
    const board = describeBoard(this.#notes, record)
    const memory = describeMemory(this.#sections.find('memory'), this.#notes)
    const migMode = this.#mode()
    const migCapable = this.#isCapable()
    const opened = this.#sections.opened.status === 0
    const off = opened && (!migCapable || migMode?.current === false)
    const profiles = opened && !migCapable ? [] : this.#profiles(memory.memory?.totalMiB ?? this.#gpu.memoryMiB)
    // Which right is missing to list instances is of no interest where there can be none.
    const devices = off ? [] : this.#devices()
    return {
      index,
      uuid: record?.uuid || uuid || null,
      ...board,
      ...memory,
      ...(readings && describeReadings(this.#sections.find('readings'), this.#notes)),
      migCapable,
      migMode,
      ...(this.#included.profiles && { profiles }),
      ...(instances && {
        gpuInstances: off ? [] : this.#instances(profiles ?? [], devices ?? []),
        migDevices: devices?.map(device => this.#device(device, profiles ?? [])) ?? null
      }),
      ...(processes && { processes: this.#processes(off, devices) }),
      unavailable: this.#notes.unavailable
    }
  }

  #mode(): MigMode | null {
    const section = this.#sections.find('migMode')
    if (!section) return null
    if (section.outcome.status !== 0) return this.#notes.figure(section.outcome, null, 'migMode')
    const { current, pending } = section.record(decodeMigMode)
    return { current: current === 1, pending: pending === 1 }
  }

  /** As known since the session was opened; of a GPU that could not be opened then, as it says now. */
  #isCapable(): boolean {
    const { migCapable, unavailable } = this.#gpu
    const mode = this.#sections.find('migMode')
    return unavailable && mode ? !NO_MIG.has(mode.outcome.status) : migCapable
  }

  #profiles(memoryMiB: number | null): GpuInstanceProfileSnapshot[] | null {
    const section = this.#sections.find('profiles')
    if (!section) return null
    const notes = this.#included.profiles ? this.#notes : new Notes(this.#connection)
    if (section.outcome.status !== 0) return notes.figure(section.outcome, null, 'profiles')
    if (section.count === 0) {
      notes.unavailable.profiles = NO_PROFILES
      return null
    }
    const records = section.records(decodeGpuInstanceProfile)
    const largest = Math.max(...records.map(record => record.memorySizeMiB))
    return inOrder(
      records.map((record): GpuInstanceProfileSnapshot => {
        const profile = describeGpuInstanceProfile(record, memoryMiB ?? largest)
        const { offered, unavailable } = this.#offered(record.id, profile.name)
        // A spread here would take as long as the rest of the snapshot together.
        const snapshot = Object.assign(profile, {
          reportedName: record.name || null,
          p2p: record.isP2pSupported === NONE ? null : record.isP2pSupported === 1,
          capabilities: orNull(record.capabilities),
          computeInstanceProfiles: offered
        })
        return unavailable ? { ...snapshot, unavailable: { ...profile.unavailable, ...unavailable } } : snapshot
      })
    )
  }

  /** What live GPU instances of a profile offer, which is called `owner`. */
  #offered(profileId: number, owner: string) {
    const section = this.#sections.find('computeProfiles', profileId)
    const notes = new Notes(this.#connection)
    if (!section) {
      const instances = this.#sections.find('gpuInstances')
      if (!instances || instances.outcome.status === 0) return { offered: null }
      notes.figure(instances.outcome, null, 'computeInstanceProfiles')
    } else if (section.outcome.status !== 0) notes.figure(section.outcome, null, 'computeInstanceProfiles')
    else if (section.count === 0) notes.unavailable.computeInstanceProfiles = NO_COMPUTE_PROFILES
    else return { offered: inOrder(section.records(decodeComputeInstanceProfile).map(record => describeOffered(record, owner))) }
    return { offered: null, unavailable: notes.unavailable }
  }

  #instances(profiles: readonly GpuInstanceProfileSnapshot[], devices: readonly MigDeviceRecord[]): GpuInstanceSnapshot[] | null {
    const section = this.#sections.find('gpuInstances')
    if (!section) return null
    if (section.outcome.status !== 0) return this.#notes.figure(section.outcome, null, 'gpuInstances')
    // Instances are listed by profile.
    if (profiles.length === 0) {
      this.#notes.unavailable.gpuInstances = NO_PROFILES
      return null
    }
    const instances: GpuInstanceSnapshot[] = []
    for (const { id, profileId, start, size } of section.records(decodeGpuInstance)) {
      const notes = new Notes(this.#connection)
      const profile = profiles.find(each => each.id === profileId)
      const held = this.#sections.find('computeInstances', id)
      // It was destroyed since it was listed.
      if (!held || held.outcome.status === NOT_FOUND) continue
      const offered = profile?.computeInstanceProfiles ?? []
      const records = notes.figure(held.outcome, held.records(decodeComputeInstance), 'computeInstances')
      if (records && profile?.unavailable?.computeInstanceProfiles === NO_COMPUTE_PROFILES) {
        notes.unavailable.computeInstances = NO_COMPUTE_PROFILES
      }
      instances.push({
        id,
        profile: profile?.name ?? null,
        profileId,
        placement: { start, size },
        computeInstances: notes.unavailable.computeInstances
          ? null
          : records!
              .map(record =>
                describeComputeInstance(
                  record,
                  offered,
                  devices.find(each => each.gpuInstanceId === id && each.computeInstanceId === record.id)
                )
              )
              .sort((a, b) => a.id - b.id),
        unavailable: notes.unavailable
      })
    }
    return instances.sort((a, b) => a.id - b.id)
  }

  #devices(): MigDeviceRecord[] | null {
    const section = this.#sections.find('migDevices')
    if (!section) return null
    if (section.outcome.status === 0) return section.records(decodeMigDevice)
    return this.#notes.figure(section.outcome, null, this.#included.instances ? 'migDevices' : 'processes')
  }

  #device(record: MigDeviceRecord, profiles: readonly GpuInstanceProfileSnapshot[]): MigDeviceSnapshot {
    const notes = new Notes(this.#connection)
    const [told, named] = record.outcomes as [OutcomeRecord, OutcomeRecord]
    const attributes = notes.figure(
      told,
      {
        gpuInstanceSlices: record.gpuInstanceSlices,
        computeInstanceSlices: record.computeInstanceSlices,
        multiprocessors: record.multiprocessorCount,
        engines: enginesOf(record)
      },
      'gpuInstanceSlices',
      'computeInstanceSlices',
      'multiprocessors',
      'engines'
    )
    return {
      uuid: record.uuid,
      index: record.index,
      name: notes.figure(named, record.name, 'name'),
      profile: profileOf(record, profiles) || notes.figure(named, null, 'profile'),
      gpuInstanceId: record.gpuInstanceId,
      computeInstanceId: record.computeInstanceId,
      ...describeMigMemory(this.#sections.find('memory', record.index), notes, record.memoryMiB),
      ...(attributes ?? { gpuInstanceSlices: null, computeInstanceSlices: null, multiprocessors: null, engines: null }),
      ...(this.#included.processes && { processes: describeProcesses(this.#sections, notes, record.index) }),
      unavailable: notes.unavailable
    }
  }

  /** Those of the GPU itself, and of its MIG devices too if these are not to be in the snapshot. */
  #processes(off: boolean, devices: readonly MigDeviceRecord[] | null): ProcessSnapshot[] | null {
    if (this.#sections.opened.status !== 0) return null
    // The GPU itself is not asked while MIG is known to be on.
    const own = this.#sections.find('computeProcesses') ? describeProcesses(this.#sections, this.#notes) : []
    if (this.#included.instances || off) return own
    if (!own || !devices) return null
    const lists = devices.map(({ index }) => describeProcesses(this.#sections, this.#notes, index))
    return lists.includes(null) ? null : [...own, ...lists.flatMap(list => list ?? [])]
  }
}

function describeComputeInstance(
  record: ComputeInstanceRecord,
  offered: readonly ComputeInstanceProfileSnapshot[],
  device: MigDeviceRecord | undefined
): ComputeInstanceSnapshot {
  return {
    id: record.id,
    profile: offered.find(each => each.id === record.profileId)?.name ?? null,
    profileId: record.profileId,
    placement: record.start === NONE ? null : { start: record.start, size: record.size },
    uuid: device?.uuid ?? null,
    index: device?.index ?? null,
    name: device?.name || null
  }
}

function describeOffered(record: ComputeInstanceProfileRecord, owner: string): ComputeInstanceProfileSnapshot {
  const { remaining, unavailable, ...profile } = describeComputeInstanceProfile(record, owner)
  return {
    ...profile,
    reportedName: record.name || null,
    capabilities: orNull(record.capabilities),
    ...(unavailable?.placements && { unavailable: { placements: unavailable.placements } })
  }
}

/** The GPUs, from the worker's answer. */
export function describeGpus(
  connection: Connection,
  gpus: readonly Gpu[],
  included: Included,
  view: DataView,
  at: number
): GpuSnapshot[] {
  const sections = sectionsByGpu(view, at)
  return gpus.map((gpu, index) => new GpuReader(connection, gpu, sections[index]!, included).read())
}
