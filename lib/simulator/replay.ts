/** A node made of a snapshot: driver, boards, what tells them apart, and what is to be put there before anybody looks. */

import { brandNumber } from '../nvml-names.js'
import type { GpuInstanceSnapshot, GpuSnapshot, Snapshot } from '../snapshot.js'
import type { BoardRow } from './boards.js'
import { speaksLegacyUuids } from './check-layout.js'
import { brandOf, type NodeGpu, type NodePlan } from './compile-image.js'
import type { Dialects } from './dialects.js'
import { type BoardIdentity, COMPUTE_SLOTS, GPU_INSTANCE_IDS, identify } from './identity.js'
import type { PlacedLayout } from './instances.js'
import { readingsOf, vbiosVersionOf } from './readings.js'
import { findRelease, type Release, releaseLike } from './releases.js'
import { boardOf, boardUnder, modelOf, namesArePlain } from './replayed-board.js'
import { readingsFrom } from './snapshot-figures.js'

/** The release that a snapshot was taken on: as far as it is known, its dialect; versions and slots as they were told. */
function releaseOf({ driver, gpus }: Snapshot): Release {
  const known = releaseLike(driver.version!)
  const [major, minor] = (driver.cuda ?? '').split('.').map(Number) as [number, number | undefined]
  const profiles = gpus.flatMap(gpu => gpu.profiles ?? [])
  const slots = (told: readonly { readonly slot: number }[], least: number) =>
    Math.max(least, ...told.map(({ slot }) => slot + 1))
  return {
    ...known,
    nvmlVersion: driver.nvml ?? known.nvmlVersion,
    cudaDriverVersion: minor === undefined ? known.cudaDriverVersion : 1000 * major + 10 * minor,
    gpuInstanceProfileSlots: slots(profiles, known.gpuInstanceProfileSlots),
    computeInstanceProfileSlots: slots(
      profiles.flatMap(({ computeInstanceProfiles }) => computeInstanceProfiles ?? []),
      known.computeInstanceProfileSlots
    )
  }
}

/** The id that a GPU instance gets: see GpuInstanceIdAt of native/simulator/placement.h. */
function idAt({ identity }: BoardRow, { start, size }: GpuInstanceSnapshot['placement'], swapped: boolean): number {
  const parts = Math.floor(identity.memorySlices / size)
  const part = Math.floor(start / size)
  return parts - 1 + (swapped ? part ^ Math.floor(parts / 2) : part)
}

/** How the board numbers its GPU instances, which those that live tell. */
function numberingOf(path: string, board: BoardRow, { gpuInstances }: GpuSnapshot): NodeGpu['giNumbering'] {
  const live = gpuInstances ?? []
  const fits = (swapped: boolean) => live.findIndex(({ id, placement }) => idAt(board, placement, swapped) !== id)
  const [straight, swapped] = [fits(false), fits(true)]
  if (straight < 0) return 'straight'
  if (swapped < 0) return 'swapped'
  const { id, placement } = live[Math.max(straight, swapped)]!
  throw new RangeError(
    `${path}.gpuInstances[${Math.max(straight, swapped)}].id is ${id}: beside the others, the simulator gives the instance at ` +
      `${placement.start} of size ${placement.size} the id ${idAt(board, placement, false)}, or ${idAt(board, placement, true)} with swapped numbering`
  )
}

/** The live compute instances of a GPU, each with its MIG UUID put at the place that it has. */
function uuidsOf(derived: Buffer, { gpuInstances, migDevices }: GpuSnapshot): Buffer {
  const uuids = Buffer.from(derived)
  for (const { id, computeInstances } of gpuInstances ?? []) {
    for (const compute of computeInstances ?? []) {
      const device = migDevices?.find(each => each.gpuInstanceId === id && each.computeInstanceId === compute.id)
      const { uuid } = device ?? compute
      if (!uuid || uuid.startsWith('MIG-GPU-') || !compute.placement) continue
      Buffer.from(uuid.slice('MIG-'.length).replaceAll('-', ''), 'hex').copy(
        uuids,
        16 * (id * COMPUTE_SLOTS + compute.placement.start)
      )
    }
  }
  return uuids
}

/** What a text is played as: what was told; nothing, where NVML said that there is none; else what is derived. */
const told = (gpu: GpuSnapshot, field: 'serial' | 'boardPartNumber' | 'vbiosVersion', derived: string): string =>
  gpu[field] ?? (gpu.unavailable[field]?.code === 'NOT_SUPPORTED' ? '' : derived)

function identityOf(gpu: GpuSnapshot, model: string): BoardIdentity {
  const derived = identify(model, gpu.index)
  const busId = gpu.pciBusId ?? derived.busId
  const [domain, bus, device] = busId.split(/[:.]/).map(part => Number.parseInt(part, 16)) as [number, number, number]
  return {
    uuid: gpu.uuid!,
    serial: told(gpu, 'serial', derived.serial),
    boardPartNumber: told(gpu, 'boardPartNumber', derived.boardPartNumber),
    minorNumber: gpu.minorNumber ?? derived.minorNumber,
    pciDomain: domain,
    pciBus: bus,
    pciDevice: device,
    busId,
    migUuids: uuidsOf(derived.migUuids, gpu)
  }
}

/** Whether the simulator can keep such a board: its sets of slices and instance ids have a size. */
function checkGeometry(path: string, gpu: GpuSnapshot, { identity, profiles }: BoardRow): void {
  for (const { slot, name, memorySlices, starts } of profiles) {
    const most = Math.floor((GPU_INSTANCE_IDS + 1) / 2)
    if (starts.length === 0 || memorySlices * most >= identity.memorySlices) continue
    const at = gpu.profiles?.findIndex(each => each.slot === slot) ?? -1
    throw new RangeError(
      `${path}${at < 0 ? '' : `.profiles[${at}]`}: ${name} takes ${memorySlices} of ${identity.memorySlices} memory slices, and the simulator ` +
        `knows GPU instances from one ${most}th of a board on`
    )
  }
}

/** A compute instance whose driver does not say where it lies goes where the simulator would put it. */
const layoutOf = ({ migMode, gpuInstances }: GpuSnapshot): PlacedLayout | undefined =>
  migMode === null || !(migMode.current || migMode.pending)
    ? undefined
    : {
        ...migMode,
        instances: (gpuInstances ?? []).map(({ profileId, placement, computeInstances }) => ({
          profile: profileId,
          start: placement.start,
          computeInstances: (computeInstances ?? []).map(compute => ({
            profile: compute.profileId,
            id: compute.id,
            ...(compute.placement && { start: compute.placement.start })
          }))
        }))
      }

/** The GPUs of a snapshot as node.json lists them. */
export const replayedGpus = (snapshot: Snapshot) => snapshot.gpus.map(gpu => ({ model: modelOf(gpu) }))

type ReplayPlan = Pick<NodePlan, 'release' | 'dialects' | 'legacyMigUuids' | 'gpus'>

/** Whether a driver is the one that a snapshot was taken on. */
export const isOwnDriver = (snapshot: Snapshot, driver: string): boolean =>
  driver === snapshot.driver.version || driver === releaseOf(snapshot).version

/**
 * The node that a checked snapshot shows. RangeError where it cannot be played, UNKNOWN_FIGURES where its profiles
 * could not be read and the row has figures that nobody recorded.
 */
function planTaken(snapshot: Snapshot, dialects: Dialects, fill: 'derived' | undefined): ReplayPlan {
  const release = releaseOf(snapshot)
  return {
    release,
    dialects: namesArePlain(snapshot) ? { ...dialects, plainMigNames: true } : dialects,
    legacyMigUuids: speaksLegacyUuids(snapshot) ?? release.branch < 470,
    gpus: snapshot.gpus.map((gpu): NodeGpu => {
      const path = `simulate: from.gpus[${gpu.index}]`
      const { board, filled } = boardOf(path, gpu, release, dialects, fill)
      checkGeometry(path, gpu, board)
      if (!board.modeNeedsReset && gpu.migMode && gpu.migMode.current !== gpu.migMode.pending) {
        throw new RangeError(
          `${path}.migMode.pending is ${gpu.migMode.pending}: ${board.model} changes its MIG mode at once, so it is ${gpu.migMode.current} too`
        )
      }
      return {
        board,
        filled,
        identity: identityOf(gpu, board.model),
        giNumbering: numberingOf(path, board, gpu),
        readings: readingsOf(board, readingsFrom(gpu)),
        brand: gpu.brand === null ? brandOf(board.identity) : brandNumber(gpu.brand)!,
        vbiosVersion: told(gpu, 'vbiosVersion', vbiosVersionOf(board)),
        layout: layoutOf(gpu)
      }
    })
  }
}

/**
 * The node of a snapshot under a driver: what the snapshot shows under its own; under another the same boards, as
 * their rows show them. RangeError where there is no row of one, or the release does not know it; UNKNOWN_FIGURES
 * as above.
 */
export function planReplay(snapshot: Snapshot, driver: string, dialects: Dialects, fill: 'derived' | undefined): ReplayPlan {
  const taken = planTaken(snapshot, dialects, fill)
  if (isOwnDriver(snapshot, driver)) return taken
  const release = findRelease(driver)
  return {
    release,
    // That names are plain is the driver's way too.
    dialects,
    legacyMigUuids: release.branch < 470,
    gpus: taken.gpus.map((gpu, i) => ({
      ...gpu,
      ...boardUnder(snapshot.gpus[i]!, taken.release, release, dialects, fill),
      layout: undefined
    }))
  }
}
