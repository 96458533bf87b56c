/** Whether the parts of a snapshot fit each other: profiles, what lives of them and where, and its MIG devices. */
import { shown } from '../arguments.js'
import { series } from '../layout/suggest.js'
import type { Placement } from '../profiles.js'
import type { ComputeInstanceProfileSnapshot, GpuInstanceSnapshot, GpuSnapshot, Snapshot } from '../snapshot.js'
import type { Field } from './field.js'

type Shape = Pick<ComputeInstanceProfileSnapshot, 'id' | 'slot' | 'placements'>

/** No two elements have the same `name`. */
function checkUnique(list: Field, name: string, values: readonly unknown[]): void {
  const second = values.findIndex((value, i) => values.indexOf(value) < i)
  if (second >= 0)
    list
      .element(second)
      .at(name)
      .wrong(`another than that of element ${values.indexOf(values[second])}`)
}

/** Memory slices of a GPU, and compute slots of a GPU instance. */
const MOST_SLICES = 32
const MOST_SLOTS = 8

function checkShapes(list: Field, shapes: readonly Shape[], most: number): void {
  for (const name of ['id', 'slot'] as const) {
    checkUnique(
      list,
      name,
      shapes.map(each => each[name])
    )
  }
  for (const [i, { placements }] of shapes.entries()) {
    const at = list.element(i).at('placements')
    for (const [j, { start, size }] of (placements ?? []).entries()) {
      if (size !== placements![0]!.size) at.element(j).at('size').wrong(`${placements![0]!.size}, as in the first placement`)
      if (j > 0 && start <= placements![j - 1]!.start) at.element(j).at('start').wrong('higher than the one before')
      if (start + size > most) at.element(j).wrong(`a place within ${most} slices`)
    }
  }
}

/** What a GPU offers. */
export function checkProfiles(gpu: Field, { profiles, migCapable }: GpuSnapshot): void {
  if (!profiles) return
  const list = gpu.at('profiles')
  if (migCapable !== profiles.length > 0) {
    throw new RangeError(
      `${list.path} has ${profiles.length} elements although migCapable is ${migCapable}: a GPU with MIG has profiles, one without has none`
    )
  }
  checkShapes(list, profiles, MOST_SLICES)
  for (const [i, { computeInstanceProfiles }] of profiles.entries()) {
    if (computeInstanceProfiles) checkShapes(list.element(i).at('computeInstanceProfiles'), computeInstanceProfiles, MOST_SLOTS)
  }
}

const placeText = ({ start, size }: Placement): string => `${start} to ${start + size - 1}`

/** Each lies where its profile may, and on nothing else. */
function checkPlaces(
  list: Field,
  places: readonly (Placement | null)[],
  offered: readonly (readonly Placement[] | null | undefined)[]
) {
  for (const [i, place] of places.entries()) {
    if (place === null) continue
    const at = list.element(i).at('placement')
    const possible = offered[i]
    if (possible && !possible.some(({ start, size }) => start === place.start && size === place.size)) {
      const right = possible.map(({ start }) => start)
      throw new RangeError(
        `${at.path} is ${shown(place)}, where its profile has no place: ` +
          (right.length > 0 ? `it starts at ${series(right, 'or')} and takes ${possible[0]!.size}` : 'it has none at all')
      )
    }
    const under = places.findIndex(
      (other, j) => j < i && other && other.start < place.start + place.size && place.start < other.start + other.size
    )
    if (under >= 0)
      throw new RangeError(`${at.path} takes ${placeText(place)}, and element ${under} has ${placeText(places[under]!)}`)
  }
}

/** The profile of each, by the id that it names. */
function profilesOf<P extends Shape>(
  list: Field,
  instances: readonly { profileId: number }[],
  known: readonly P[] | null | undefined
) {
  return instances.map(({ profileId }, i) => {
    const found = known?.find(({ id }) => id === profileId)
    if (known && !found)
      list
        .element(i)
        .at('profileId')
        .wrong(
          `the id of a profile, ${series(
            known.map(({ id }) => id),
            'or'
          )}`
        )
    return found
  })
}

function checkComputeInstances(
  gpu: Field,
  index: number,
  instance: GpuInstanceSnapshot,
  offered: readonly ComputeInstanceProfileSnapshot[] | null | undefined
) {
  const { computeInstances } = instance
  if (computeInstances === null) return
  const list = gpu.at('gpuInstances').element(index).at('computeInstances')
  checkUnique(
    list,
    'id',
    computeInstances.map(({ id }) => id)
  )
  const profiles = profilesOf(list, computeInstances, offered)
  checkPlaces(
    list,
    computeInstances.map(({ placement }) => placement),
    profiles.map(profile => profile?.placements)
  )
}

/** Every MIG device is a compute instance that is listed, where such are, and is called there as here. */
function checkMigDevices(gpu: Field, { uuid, gpuInstances, migDevices }: GpuSnapshot): void {
  const list = gpu.at('migDevices')
  const ids = new Set<string>()
  for (const [i, device] of (migDevices ?? []).entries()) {
    const at = list.element(i)
    const key = `${device.gpuInstanceId}/${device.computeInstanceId}`
    if (ids.has(key)) throw new RangeError(`${at.path} is a second device of compute instance ${key}`)
    ids.add(key)
    if (device.uuid.startsWith('MIG-GPU-') && device.uuid !== `MIG-${uuid}/${key}`)
      at.at('uuid').wrong(`'MIG-${uuid}/${key}', made of its ids`)
    const owner = gpuInstances?.find(({ id }) => id === device.gpuInstanceId)
    if (gpuInstances && !owner) at.at('gpuInstanceId').wrong('the id of one of gpuInstances')
    const compute = owner?.computeInstances?.find(({ id }) => id === device.computeInstanceId)
    if (owner?.computeInstances && !compute)
      at.at('computeInstanceId').wrong(`the id of a compute instance of GPU instance ${owner.id}`)
    if (compute && compute.uuid !== null && compute.uuid !== device.uuid)
      at.at('uuid').wrong(`'${compute.uuid}', as in gpuInstances`)
  }
}

/** What lives on a GPU. */
export function checkLayout(gpu: Field, snapshot: GpuSnapshot): void {
  const { profiles, gpuInstances, migDevices, migMode, migCapable } = snapshot
  const list = gpu.at('gpuInstances')
  if (!migCapable && migMode) gpu.at('migMode').wrong('null on a GPU without MIG')
  if (migCapable && !migMode) gpu.at('migMode').wrong('{ current, pending } on a GPU with MIG')
  if (!migMode?.current && ((gpuInstances ?? []).length > 0 || (migDevices ?? []).length > 0)) {
    throw new RangeError(`${gpu.path} has instances, and MIG is off there: migMode.current is true where instances live`)
  }
  const unread = gpuInstances ? gpuInstances.find(({ computeInstances }) => computeInstances === null) : {}
  if (unread && migDevices && migDevices.length > 0) {
    const { code } = snapshot.unavailable.gpuInstances ??
      (unread as GpuInstanceSnapshot).unavailable?.computeInstances ?? { code: 'unread' }
    throw new RangeError(
      `${gpu.path} has ${migDevices.length} MIG devices, and where they lie is not in the snapshot (${code}): take it as root, who may see instances`
    )
  }
  checkUnique(
    list,
    'id',
    (gpuInstances ?? []).map(({ id }) => id)
  )
  const found = profilesOf(list, gpuInstances ?? [], profiles)
  checkPlaces(
    list,
    (gpuInstances ?? []).map(({ placement }) => placement),
    found.map(profile => profile?.placements)
  )
  for (const [i, instance] of (gpuInstances ?? []).entries())
    checkComputeInstances(gpu, i, instance, found[i]?.computeInstanceProfiles)
  checkMigDevices(gpu, snapshot)
  const { maxMigDevices } = snapshot
  if (migMode?.current && maxMigDevices !== null && maxMigDevices < (migDevices ?? []).length) {
    gpu.at('maxMigDevices').wrong(`at least ${migDevices!.length}, so many migDevices there are`)
  }
}

/** Whether the driver made MIG UUIDs of ids, as they were before R470; undefined where no MIG device tells. */
export function speaksLegacyUuids({ gpus }: Snapshot): boolean | undefined {
  return gpus.flatMap(({ migDevices }) => migDevices ?? []).map(({ uuid }) => uuid.startsWith('MIG-GPU-'))[0]
}
