/** Snapshots as callers bring them: what is wrong with one is a sentence with the path of it, before anything is made. */
import { architectureNumber, brandNumber } from '../nvml-names.js'
import type { Engines, Placement, Unavailable } from '../profiles.js'
import type {
  ComputeInstanceProfileSnapshot,
  ComputeInstanceSnapshot,
  GpuInstanceProfileSnapshot,
  GpuInstanceSnapshot,
  GpuSnapshot,
  MigDeviceSnapshot,
  Snapshot,
  UnavailableFields
} from '../snapshot.js'
import { checkLayout, checkProfiles } from './check-layout.js'
import { Field } from './field.js'
import { GpuBoard, GpuInstanceProfile, MAX_GPUS, Node } from './image-layout.js'
import { checkMigSizes, checkProcesses, checkReadingFields, checkSizes } from './snapshot-figures.js'

const NEWEST = 1

const HEX = '[0-9a-f]'
const UUID = `${HEX}{8}(?:-${HEX}{4}){3}-${HEX}{12}`
const GPU_UUID = new RegExp(`^GPU-${UUID}$`)
const MIG_UUID = new RegExp(`^MIG-(?:${UUID}|GPU-${UUID}/\\d+/\\d+)$`)
const BUS_ID = new RegExp(`^${HEX}{8}:${HEX}{2}:${HEX}{2}\\.0$`, 'i')
const PCI_ID = new RegExp(`^0x${HEX}{8}$`, 'i')
const EXAMPLES = {
  gpu: 'GPU-4bb9eacb-2da6-562c-89be-4dfd37564ea4',
  mig: 'MIG-c924df84-7788-5867-83de-c7418f56f5c7'
} as const

/** Of a driver, as {@link Field.text} takes it. */
const VERSION = [Node.driverVersion.count - 1, /^\d{3}(\.\d{1,4}){0,2}$/, '550.163.01'] as const

/** mig-minors ends with the capabilities of this GPU. */
const LAST_MINOR = 31

/** Beyond it nobody looks for profiles. */
const LAST_SLOT = 1023

/** Characters that fit into a text of the image, whose last byte ends it. */
const room = ({ count }: { readonly count: number }): number => count - 1

function unavailable(of: Field): UnavailableFields {
  const reason = (field: Field): Unavailable => ({
    code: field.at('code').text(64) as Unavailable['code'],
    status: field.at('status').number(),
    call: field.at('call').text(128)
  })
  return Object.fromEntries(of.entries().map(([name, field]) => [name, reason(field)]))
}

/** The same where nothing is there if nothing is missing. */
const unavailableIfAny = (field: Field): { unavailable?: UnavailableFields } =>
  field.isAbsent() ? {} : { unavailable: unavailable(field) }

const placement = (field: Field): Placement => ({ start: field.at('start').number(31), size: field.at('size').number(32, 1) })
const placements = (field: Field): Placement[] => field.list(GpuInstanceProfile.starts.count).map(placement)

const engines = (field: Field): Engines => ({
  copy: field.at('copy').number(),
  decoder: field.at('decoder').number(),
  encoder: field.at('encoder').number(),
  jpeg: field.at('jpeg').number(),
  opticalFlow: field.at('opticalFlow').number()
})

/** What profiles of both kinds have. */
function profileShape(field: Field, mostInstances: number) {
  return {
    name: field.at('name').text(room(GpuInstanceProfile.name) - 'MIG '.length),
    reportedName: field.at('reportedName').orNull(it => it.text(room(GpuInstanceProfile.name))),
    id: field.at('id').number(),
    slot: field.at('slot').number(LAST_SLOT),
    slices: field.at('slices').number(8, 1),
    multiprocessors: field.at('multiprocessors').number(),
    engines: engines(field.at('engines')),
    maxInstances: field.at('maxInstances').number(mostInstances),
    capabilities: field.at('capabilities').orNull(it => it.number()),
    placements: field.at('placements').orNull(placements)
  }
}

const computeProfile = (field: Field): ComputeInstanceProfileSnapshot => ({
  ...profileShape(field, 8),
  ...unavailableIfAny(field.at('unavailable'))
})

const profile = (field: Field): GpuInstanceProfileSnapshot => ({
  ...profileShape(field, 8),
  memoryMiB: field.at('memoryMiB').number(),
  p2p: field.at('p2p').orNull(it => it.flag()),
  remaining: field.at('remaining').orNull(it => it.number()),
  computeInstanceProfiles: field
    .at('computeInstanceProfiles')
    .orNull(it => it.list(GpuInstanceProfile.computeProfiles.count).map(computeProfile)),
  ...unavailableIfAny(field.at('unavailable'))
})

const computeInstance = (field: Field): ComputeInstanceSnapshot => ({
  id: field.at('id').number(7),
  profile: field.at('profile').orNull(it => it.text(95)),
  profileId: field.at('profileId').number(),
  placement: field.at('placement').orNull(placement),
  uuid: field.at('uuid').orNull(it => it.text(95, MIG_UUID, EXAMPLES.mig)),
  index: field.at('index').orNull(it => it.number()),
  name: field.at('name').orNull(it => it.text(191))
})

const gpuInstance = (field: Field): GpuInstanceSnapshot => ({
  id: field.at('id').number(),
  profile: field.at('profile').orNull(it => it.text(95)),
  profileId: field.at('profileId').number(),
  placement: placement(field.at('placement')),
  computeInstances: field.at('computeInstances').orNull(it => it.list(8).map(computeInstance)),
  unavailable: unavailable(field.at('unavailable'))
})

const migDevice = (field: Field): MigDeviceSnapshot => ({
  uuid: field.at('uuid').text(95, MIG_UUID, EXAMPLES.mig),
  index: field.at('index').number(),
  name: field.at('name').orNull(it => it.text(191)),
  profile: field.at('profile').orNull(it => it.text(95)),
  gpuInstanceId: field.at('gpuInstanceId').number(),
  computeInstanceId: field.at('computeInstanceId').number(),
  ...checkMigSizes(field),
  gpuInstanceSlices: field.at('gpuInstanceSlices').orNull(it => it.number()),
  computeInstanceSlices: field.at('computeInstanceSlices').orNull(it => it.number()),
  multiprocessors: field.at('multiprocessors').orNull(it => it.number()),
  engines: field.at('engines').orNull(engines),
  ...checkProcesses(field),
  unavailable: unavailable(field.at('unavailable'))
})

function numbered(field: Field, numberOf: (name: string) => number | undefined, example: string): string {
  const name = field.text(40)
  return numberOf(name) === undefined ? field.wrong(`a name such as '${example}', or NVML's number as text`) : name
}

function gpu(field: Field, index: number): GpuSnapshot {
  const text = (name: string, most: { readonly count: number }, pattern?: RegExp, example?: string): string | null =>
    field.at(name).orNull(it => it.text(room(most), pattern, example))
  if (field.at('index').number() !== index) field.at('index').wrong(`${index}, its place in the list`)
  return {
    index,
    uuid: text('uuid', GpuBoard.uuid, GPU_UUID, EXAMPLES.gpu),
    name: text('name', GpuBoard.name),
    serial: text('serial', GpuBoard.serial),
    pciBusId: text('pciBusId', GpuBoard.busId, BUS_ID, '00000000:07:00.0'),
    pciDeviceId: text('pciDeviceId', GpuBoard.busId, PCI_ID, '0x20B010DE'),
    pciSubSystemId: text('pciSubSystemId', GpuBoard.busId, PCI_ID, '0x134F10DE'),
    minorNumber: field.at('minorNumber').orNull(it => it.number(LAST_MINOR)),
    boardPartNumber: text('boardPartNumber', GpuBoard.boardPartNumber),
    vbiosVersion: text('vbiosVersion', GpuBoard.vbiosVersion),
    brand: field.at('brand').orNull(it => numbered(it, brandNumber, 'NVIDIA')),
    architecture: field.at('architecture').orNull(it => numbered(it, architectureNumber, 'Ampere')),
    computeCapability: field.at('computeCapability').orNull(it => it.text(7, /^\d+\.\d+$/, '8.0')),
    ...checkSizes(field),
    ...checkReadingFields(field),
    ...checkProcesses(field),
    migCapable: field.at('migCapable').flag(),
    migMode: field.at('migMode').orNull(mode => ({ current: mode.at('current').flag(), pending: mode.at('pending').flag() })),
    maxMigDevices: field.at('maxMigDevices').orNull(it => it.number(8)),
    profiles: field.at('profiles').orNull(it => it.list(GpuBoard.profiles.count).map(profile)),
    gpuInstances: field.at('gpuInstances').orNull(it => it.list(8).map(gpuInstance)),
    migDevices: field.at('migDevices').orNull(it => it.list(64).map(migDevice)),
    unavailable: unavailable(field.at('unavailable'))
  }
}

/** Whether a GPU is one that a node can have. */
function checkGpu(field: Field, snapshot: GpuSnapshot): void {
  const { gpu: missing } = snapshot.unavailable
  if (missing) {
    throw new RangeError(
      `${field.path} could not be read when the snapshot was taken (${missing.call}: ${missing.code}), so nothing is known of it`
    )
  }
  field.at('uuid').text(room(GpuBoard.uuid), GPU_UUID, EXAMPLES.gpu)
  checkProfiles(field, snapshot)
  checkLayout(field, snapshot)
}

/** Refuses a format other than those that this package reads. */
function checkFormat(field: Field): void {
  const format = field.text(80)
  const [, version] = /^nvml-mig-snapshot\/([1-9]\d{0,8})$/.exec(format) ?? []
  if (version === undefined) field.wrong(`'nvml-mig-snapshot/${NEWEST}'`)
  if (Number(version) > NEWEST) {
    throw new RangeError(
      `${field.path} is '${format}', which is newer than this version of nvml-mig reads: it knows them up to nvml-mig-snapshot/${NEWEST}`
    )
  }
}

/** No two GPUs share what tells GPUs, or MIG devices, apart. */
function checkDistinct(field: Field, gpus: readonly GpuSnapshot[]): void {
  for (const name of ['uuid', 'pciBusId', 'minorNumber'] as const) {
    const values = gpus.map(each => each[name])
    const second = values.findIndex((value, i) => value !== null && values.indexOf(value) < i)
    if (second >= 0)
      field
        .element(second)
        .at(name)
        .wrong(`another than that of gpus[${values.indexOf(values[second]!)}]`)
  }
  const uuids = new Set<string>()
  for (const [i, { migDevices }] of gpus.entries()) {
    for (const [j, { uuid }] of (migDevices ?? []).entries()) {
      const at = field.element(i).at('migDevices').element(j).at('uuid')
      if (uuids.has(uuid)) at.wrong('the only one of its kind')
      uuids.add(uuid)
    }
  }
}

/** A snapshot with what this package knows of it and no more, whatever it shows. */
function shape(from: Field): Snapshot {
  checkFormat(from.at('format'))
  const driver = from.at('driver')
  return {
    format: `nvml-mig-snapshot/${NEWEST}`,
    driver: {
      version: driver.at('version').orNull(it => it.text(...VERSION)),
      nvml: driver.at('nvml').orNull(it => it.text(room(Node.nvmlVersion))),
      cuda: driver.at('cuda').orNull(it => it.text(9, /^\d+\.\d$/, '12.4')),
      unavailable: unavailable(driver.at('unavailable'))
    },
    gpus: from.at('gpus').list(MAX_GPUS).map(gpu)
  }
}

/** `value` if it is a snapshot, whether or not a node could be made of it. */
export const checkShape = (where: string, value: unknown): Snapshot => shape(new Field(where, value, false))

/**
 * `value` if it is a snapshot that a node can be made of, with what this package knows of it and no more.
 * @param where What the value is called in sentences.
 */
export function checkSnapshot(where: string, value: unknown): Snapshot {
  const from = new Field(where, value)
  const snapshot = shape(from)
  from
    .at('driver')
    .at('version')
    .text(...VERSION)
  const gpus = from.at('gpus')
  for (const [i, field] of gpus.list(MAX_GPUS, 1).entries()) checkGpu(field, snapshot.gpus[i]!)
  checkDistinct(gpus, snapshot.gpus)
  return snapshot
}
