/** How a snapshot is read: question by question, each refusal noted where its answer would stand. */
import type { Connection, RecordKind, Task } from './connection.js'
import { NvmlError, nvmlCode, SessionError } from './errors.js'
import type { Gpu, MigMode } from './gpu.js'
import { migDevice, profileOf } from './mig-device.js'
import { architectureName, brandName } from './nvml-names.js'
import { describeComputeInstanceProfile, describeGpuInstanceProfile, enginesOf, inOrder } from './profiles.js'
import {
  type ComputeInstanceProfileRecord,
  computeInstanceBytes,
  computeInstanceProfileBytes,
  decodeComputeInstance,
  decodeComputeInstanceProfile,
  decodeGpuDescription,
  decodeGpuInstance,
  decodeGpuInstanceProfile,
  decodeMigMode,
  type GpuDescriptionRecord,
  GpuFigure,
  type GpuInstanceProfileRecord,
  type GpuInstanceRecord,
  gpuDescriptionBytes,
  gpuInstanceBytes,
  gpuInstanceProfileBytes,
  type MigDeviceRecord,
  migModeBytes,
  NONE,
  type OutcomeRecord,
  type SessionInfoRecord
} from './records.js'
import type {
  ComputeInstanceProfileSnapshot,
  ComputeInstanceSnapshot,
  DriverSnapshot,
  GpuInstanceProfileSnapshot,
  GpuInstanceSnapshot,
  GpuSnapshot,
  MigDeviceSnapshot,
  UnavailableFields
} from './snapshot.js'

const description = { bytes: gpuDescriptionBytes, decode: decodeGpuDescription }
const migMode = { bytes: migModeBytes, decode: decodeMigMode }
const gpuInstance = { bytes: gpuInstanceBytes, decode: decodeGpuInstance }
const gpuInstanceProfile = { bytes: gpuInstanceProfileBytes, decode: decodeGpuInstanceProfile }
const computeInstance = { bytes: computeInstanceBytes, decode: decodeComputeInstance }
const computeInstanceProfile = { bytes: computeInstanceProfileBytes, decode: decodeComputeInstanceProfile }

const NO_PROFILES = { code: 'NOT_SUPPORTED', status: 3, call: 'nvmlDeviceGetGpuInstanceProfileInfo' } as const

const mebibytes = (bytes: number): number => Math.floor(bytes / 2 ** 20)
const hexadecimal = (id: number): string => `0x${id.toString(16).toUpperCase().padStart(8, '0')}`
const orNull = (value: number): number | null => (value === NONE ? null : value)

/** What an instance says that went away, or was replaced, since it was listed. */
const isGone = (error: unknown): boolean =>
  error instanceof NvmlError ? error.code === 'NOT_FOUND' : error instanceof SessionError && error.code === 'INSTANCE_REPLACED'

/** Takes down why something could not be read, by field. */
class Notes {
  readonly unavailable: UnavailableFields = {}
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** `value`, unless reading it ended badly: then null, with the reason under each of `fields`. */
  figure<T>({ status, call }: OutcomeRecord, value: T, ...fields: readonly string[]): T | null {
    if (status === 0) return value
    for (const field of fields) this.unavailable[field] = { code: nvmlCode(status), status, call: this.#connection.symbol(call) }
    return null
  }

  /** The same for what is asked for by itself. */
  async part<T>(field: string, answer: Promise<T>): Promise<T | null> {
    try {
      return await answer
    } catch (error) {
      if (!(error instanceof NvmlError)) throw error
      const { code, status, call } = error
      this.unavailable[field] = { code, status, call }
      return null
    }
  }
}

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
function describeBoard(notes: Notes, record: GpuDescriptionRecord | null, uuid: string) {
  const told = <T>(figure: keyof typeof GpuFigure, read: (record: GpuDescriptionRecord) => T, ...fields: string[]): T | null =>
    record && notes.figure(record.outcomes[GpuFigure[figure]]!, read(record), ...(fields.length > 0 ? fields : [figure]))
  const pci = told('pci', it => it, 'pciBusId', 'pciDeviceId', 'pciSubSystemId')
  return {
    uuid: uuid || null,
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
    memoryTotalMiB: told('memoryTotal', it => mebibytes(it.memoryTotalBytes), 'memoryTotalMiB'),
    bar1TotalMiB: told('bar1Total', it => mebibytes(it.bar1TotalBytes), 'bar1TotalMiB'),
    maxMigDevices: told('maxMigDevices', it => it.maxMigDevices)
  }
}

function describeMigDevice(
  connection: Connection,
  record: MigDeviceRecord,
  profiles: readonly GpuInstanceProfileSnapshot[]
): MigDeviceSnapshot {
  const notes = new Notes(connection)
  const attributes = notes.figure(
    record.attributes[0]!,
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
    name: record.name,
    profile: profileOf(record, profiles),
    gpuInstanceId: record.gpuInstanceId,
    computeInstanceId: record.computeInstanceId,
    memoryMiB: record.memoryMiB || null,
    ...(attributes ?? { gpuInstanceSlices: null, computeInstanceSlices: null, multiprocessors: null, engines: null }),
    unavailable: notes.unavailable
  }
}

/** Reads one GPU. What others change between two questions may be in the later answer alone. */
class GpuReader {
  readonly #connection: Connection
  readonly #gpu: Gpu
  readonly #notes: Notes

  constructor(connection: Connection, gpu: Gpu) {
    this.#connection = connection
    this.#gpu = gpu
    this.#notes = new Notes(connection)
  }

  async read(): Promise<GpuSnapshot> {
    const { index, uuid, migCapable, unavailable } = this.#gpu
    if (unavailable) {
      this.#notes.unavailable.gpu = unavailable
      const nothing = { migMode: null, profiles: null, gpuInstances: null, migDevices: null }
      return { index, ...describeBoard(this.#notes, null, ''), migCapable, ...nothing, unavailable: this.#notes.unavailable }
    }
    const board = await this.#part('gpu', this.#list(description, 'gpuDescription', 'describe it'))
    const mode = await this.#part('migMode', this.#mode())
    const records = migCapable
      ? await this.#part('profiles', this.#list(gpuInstanceProfile, 'gpuInstanceProfiles', 'profiles'))
      : []
    // Which right is missing to list instances is of no interest where there can be none.
    const off = !migCapable || mode?.current === false
    const instances = off ? [] : await this.#part('gpuInstances', this.#list(gpuInstance, 'gpuInstances', 'GPU instances'))
    const profiles = records && (await this.#profiles(records, instances ?? []))
    const devices = off ? [] : await this.#part('migDevices', this.#list(migDevice, 'migDevices', 'MIG devices'))
    return {
      index,
      ...describeBoard(this.#notes, board?.[0] ?? null, uuid),
      migCapable,
      migMode: mode,
      profiles,
      gpuInstances: instances && (await this.#instances(instances, profiles ?? [], devices ?? [])),
      migDevices: devices === null ? null : devices.map(record => describeMigDevice(this.#connection, record, profiles ?? [])),
      unavailable: this.#notes.unavailable
    }
  }

  #task(operation: Task['operation'], what: string, ...args: readonly number[]): Task {
    const gpu = this.#gpu.index
    return { operation, args: [gpu, ...args], doing: `read the ${what} of GPU ${gpu}`, gpu }
  }

  #list<T>(kind: RecordKind<T>, ...task: [Task['operation'], what: string, ...args: number[]]): Promise<T[]> {
    return this.#connection.list(this.#task(...task), kind)
  }

  #part<T>(field: string, answer: Promise<T>): Promise<T | null> {
    return this.#notes.part(field, answer)
  }

  async #mode(): Promise<MigMode> {
    const { current, pending } = await this.#connection.one(this.#task('migMode', 'MIG mode'), migMode)
    return { current: current === 1, pending: pending === 1 }
  }

  async #profiles(
    records: readonly GpuInstanceProfileRecord[],
    instances: readonly GpuInstanceRecord[]
  ): Promise<GpuInstanceProfileSnapshot[] | null> {
    if (records.length === 0 && this.#gpu.migCapable) {
      this.#notes.unavailable.profiles = NO_PROFILES
      return null
    }
    const memoryMiB = this.#gpu.memoryMiB ?? Math.max(...records.map(record => record.memorySizeMiB))
    const profiles: GpuInstanceProfileSnapshot[] = []
    for (const record of records) {
      const profile = describeGpuInstanceProfile(record, memoryMiB)
      const live = instances.filter(({ profileId }) => profileId === record.id)
      const { offered, unavailable } = await this.#offered(profile.name, live)
      profiles.push({
        ...profile,
        reportedName: record.name || null,
        p2p: record.isP2pSupported === NONE ? null : record.isP2pSupported === 1,
        capabilities: orNull(record.capabilities),
        computeInstanceProfiles: offered,
        ...((profile.unavailable || unavailable) && { unavailable: { ...profile.unavailable, ...unavailable } })
      })
    }
    return inOrder(profiles)
  }

  /** What the first of these GPU instances that answers offers; all are of one profile, called `owner`. */
  async #offered(owner: string, live: readonly GpuInstanceRecord[]) {
    for (const { id, profileId, start, size } of live) {
      const notes = new Notes(this.#connection)
      const question = this.#list(computeInstanceProfile, 'computeInstanceProfiles', 'profiles', id, profileId, start, size)
      try {
        const records = await notes.part('computeInstanceProfiles', question)
        if (records) return { offered: inOrder(records.map(record => describeOffered(record, owner))) }
        if (notes.unavailable.computeInstanceProfiles?.code !== 'NOT_FOUND') {
          return { offered: null, unavailable: notes.unavailable }
        }
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
    return { offered: null }
  }

  async #instances(
    records: readonly GpuInstanceRecord[],
    profiles: readonly GpuInstanceProfileSnapshot[],
    devices: readonly MigDeviceRecord[]
  ): Promise<GpuInstanceSnapshot[]> {
    const instances: GpuInstanceSnapshot[] = []
    for (const { id, profileId, start, size } of [...records].sort((a, b) => a.id - b.id)) {
      const notes = new Notes(this.#connection)
      const profile = profiles.find(each => each.id === profileId)
      const device = (ci: number) => devices.find(each => each.gpuInstanceId === id && each.computeInstanceId === ci)
      const named = (ci: number) => profile?.computeInstanceProfiles?.find(each => each.id === ci)?.name ?? null
      try {
        const found = await notes.part(
          'computeInstances',
          this.#list(computeInstance, 'computeInstances', 'compute instances', id, profileId, start, size)
        )
        const computeInstances = found?.map((record): ComputeInstanceSnapshot => {
          const { uuid = null, index = null, name = null } = device(record.id) ?? {}
          const placement = record.start === NONE ? null : { start: record.start, size: record.size }
          return { id: record.id, profile: named(record.profileId), profileId: record.profileId, placement, uuid, index, name }
        })
        instances.push({
          id,
          profile: profile?.name ?? null,
          profileId,
          placement: { start, size },
          computeInstances: computeInstances?.sort((a, b) => a.id - b.id) ?? null,
          unavailable: notes.unavailable
        })
      } catch (error) {
        // It was destroyed since it was listed, and another one has its id.
        if (!isGone(error)) throw error
      }
    }
    return instances.filter(({ unavailable }) => unavailable.computeInstances?.code !== 'NOT_FOUND')
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

/** Reads the GPUs, one after the other. */
export async function readGpus(connection: Connection, gpus: readonly Gpu[]): Promise<GpuSnapshot[]> {
  const read: GpuSnapshot[] = []
  for (const gpu of gpus) read.push(await new GpuReader(connection, gpu).read())
  return read
}
