/**
 * Ways in which drivers differ from one another, or from what clients take for granted, where the records do
 * not say which driver does what. A node speaks none of them unless it is asked to, so that a client
 * which works here has not grown fitted to the simulator. docs/simulator.md has them in a table.
 */
import { checkOptions, flag } from '../arguments.js'

/** The switches of a node; false if left out. */
export interface Dialects {
  /**
   * A MIG device keeps its index while it lives, the lowest that was free when it was created. So
   * destroying one leaves a hole (`NOT_FOUND`) instead of renumbering those after it, and the MIG devices of a
   * GPU instance need not be neighbours.
   *
   * Source: NVML's header, which promises no dense indices and gives `NOT_FOUND` for an index without a device;
   * go-nvlib skips such. Every recorded listing is dense.
   * @see nvmlDeviceGetMigDeviceHandleByIndex, nvmlDeviceGetIndex
   */
  readonly migIndexHoles?: boolean
  /**
   * Profiles and MIG devices are called '3g.20gb' and 'NVIDIA A100-SXM4-40GB 3g.20gb', without the 'MIG ' that
   * recorded drivers put before the profile.
   *
   * Source: NVML's header gives these names no form; NVIDIA's guide, mig-parted's files and node
   * labels write them so, and nvidia-smi takes them either way.
   * @see nvmlDeviceGetName, nvmlDeviceGetGpuInstanceProfileInfoV, nvmlGpuInstanceGetComputeInstanceProfileInfoV
   */
  readonly plainMigNames?: boolean
  /**
   * In a slot past the last that the release knows a profile is `NOT_SUPPORTED` (3), as in a slot that the board
   * does not use, instead of `INVALID_ARGUMENT` (2).
   *
   * Source: the header documents 2 since 12.9 only; go-nvlib and NVIDIA's DRA driver go on after both.
   * @see nvmlDeviceGetGpuInstanceProfileInfo, nvmlGpuInstanceGetComputeInstanceProfileInfo
   */
  readonly openProfileEnd?: boolean
  /**
   * `nvmlComputeInstanceInfo_t.device` is the parent GPU instead of the MIG device.
   *
   * Source: the header's comment calls it the parent, and go-nvml's mocks return that; NVIDIA's DRA driver
   * found the MIG device on hardware.
   * @see nvmlComputeInstanceGetInfo_v2
   */
  readonly computeInstanceOfParent?: boolean
  /**
   * A board whose instance counts NVML misreports does so: of those the simulator has, A30, whose `+me` profiles
   * then count as if the board had a media engine for each. What can be created does not change.
   *
   * Source: mig-parted, which keeps counts of its own for the A30 because NVML's are wrong. Which they are
   * nobody recorded, so these are derived.
   * @see nvmlDeviceGetGpuInstanceProfileInfo
   */
  readonly misreportedCounts?: boolean
  /**
   * A process that is initialised goes on listing a MIG device that it or anybody destroyed meanwhile, under the
   * index it had, and the device's handle goes on answering with what was. Forgotten at the next first init, with
   * MIG mode off, and when a new device gets its ids or needs its index.
   *
   * Source: NVIDIA/libcudacxx #224 (2021): three MIG devices, `nvmlInit`, one destroyed, and
   * `nvmlDeviceGetMigDeviceHandleByIndex` still succeeds for 0, 1 and 2.
   * @see nvmlDeviceGetMigDeviceHandleByIndex
   */
  readonly staleMigHandles?: boolean
}

/** Bits of enum Dialect in native/simulator/dialect.h; 0 for what is data in the image. */
const BITS: Readonly<Record<keyof Dialects, number>> = {
  migIndexHoles: 1,
  openProfileEnd: 2,
  computeInstanceOfParent: 4,
  staleMigHandles: 8,
  plainMigNames: 0,
  misreportedCounts: 0
}

/** The names of the switches. */
export const dialects = Object.keys(BITS) as readonly (keyof Dialects)[]

/** The switches that are on, checked. */
export function checkDialects(where: string, given: Dialects): Dialects {
  checkOptions(where, given, dialects)
  const on = dialects.filter(name => flag(`${where}: ${name}`, given[name]))
  return Object.fromEntries(on.map(name => [name, true]))
}

export const dialectBits = (spoken: Dialects): number =>
  dialects.reduce((bits, name) => (spoken[name] ? bits | BITS[name] : bits), 0)
