/** Driver releases: their version strings, what they know of MIG, the names their library exports. */
import { exportedNames, releases } from './data.js'

/** lib/simulator/releases.json. */
export interface ReleaseTable {
  readonly format: string
  readonly sources: readonly string[]
  readonly branches: readonly {
    readonly branch: number
    readonly header: string
    readonly gpuInstanceProfileSlots: number
    readonly computeInstanceProfileSlots: number
  }[]
  readonly versions: readonly { readonly branch: number; readonly version: string; readonly source: string }[]
}

/** native/simulator/exported_names.json: by name, the first and, if it went away, the last release that exports it. */
export interface ExportedNames {
  readonly format: string
  readonly source: string
  readonly releases: readonly string[]
  readonly names: Readonly<Record<string, { readonly first: string; readonly last?: string; readonly derived?: boolean }>>
}

/** A driver release as a node plays it. */
export interface Release {
  /** 550 for 550.163.01. */
  readonly branch: number
  /** '550.163.01'; the branch alone where no full version of it is recorded. */
  readonly version: string
  /** '12.550.163.01': the major number of the NVML header, then the driver's version. */
  readonly nvmlVersion: string
  /** 12040 for CUDA 12.4. */
  readonly cudaDriverVersion: number
  /** How many GPU-instance profile slots its NVML knows. */
  readonly gpuInstanceProfileSlots: number
  /** How many compute-instance profile slots its NVML knows. */
  readonly computeInstanceProfileSlots: number
}

const oldest = releases.branches[0]!.branch
const newest = releases.branches.at(-1)!.branch
const branchOf = (version: string): number => Number.parseInt(version, 10)

/** The release called `driver`: a branch ('550') or a full version ('515.86.01'). */
export function findRelease(driver: string): Release {
  const release = releaseLike(driver)
  if (release.branch > newest) {
    throw new RangeError(`driver ${driver} is newer than the simulator knows: its branches are ${oldest} to ${newest}`)
  }
  return release
}

/** The same, but for a branch newer than is known: that is played as the newest is. */
export function releaseLike(driver: string): Release {
  if (!/^\d{3}(\.\d{1,4}){0,2}$/.test(driver)) {
    throw new RangeError(`'${driver}' is no driver release: give a branch such as '550' or a version such as '515.86.01'`)
  }
  const branch = branchOf(driver)
  if (branch < oldest) throw new RangeError(`driver ${driver} has no MIG: the first branch with it is ${oldest}`)
  const { header, gpuInstanceProfileSlots, computeInstanceProfileSlots } = releases.branches.findLast(
    row => row.branch <= branch
  )!
  const version = driver.includes('.') ? driver : (releases.versions.find(row => row.branch === branch)?.version ?? driver)
  const [major, minor] = header.split('.').map(Number) as [number, number]
  return {
    branch,
    version,
    nvmlVersion: `${major}.${version}`,
    cudaDriverVersion: 1000 * major + 10 * minor,
    gpuInstanceProfileSlots,
    computeInstanceProfileSlots
  }
}

/** The oldest release with a full version on record that is no older than `version`. */
export function oldestRelease(version: string): string {
  return releases.versions.find(row => !isOlder(row.version, version))?.version ?? version
}

/** R535 before 535.104 wrote rows of processes that are wider than any header says: reported of 535.43 to 535.98. */
export const writesWideProcessRows = ({ branch, version }: Release): boolean =>
  branch === 535 && !isOlder(version, '535.43') && isOlder(version, '535.104')

/** Whether version `a` is lower than `b`, number by number. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map(version => version.split('.').map(Number)) as [number[], number[]]
  const at = left.findIndex((part, i) => part !== right[i])
  return at >= 0 && left[at]! < (right[at] ?? 0)
}

/**
 * The names that a release's library exports. Where a name's first release is one of those whose symbol
 * tables were read, releases between count as the one below them; every other first release is known
 * by itself and compared with the version asked for.
 */
export function exportedBy({ branch, version }: Release): Set<string> {
  const nearest = Math.max(...exportedNames.releases.map(branchOf).filter(read => read <= branch))
  const names = new Set<string>()
  for (const [name, { first, last }] of Object.entries(exportedNames.names)) {
    const came = exportedNames.releases.includes(first) ? branchOf(first) <= nearest : !isOlder(version, first)
    if (came && (last === undefined || nearest <= branchOf(last))) names.add(name)
  }
  return names
}
