/** Which of the simulator's rows a GPU is, by what it says of itself. */
import type { GpuInstanceProfileSnapshot, GpuSnapshot } from '../snapshot.js'
import type { BoardRow, GpuProfileRow } from './boards.js'
import { boards } from './data.js'
import { derivedName } from './fill.js'

type Told = Pick<GpuSnapshot, 'name' | 'pciDeviceId' | 'pciSubSystemId'>

/** Number 0, which the simulator gives to boards whose number nobody knows. */
const isUnknown = (id: string | null): boolean => id === null || Number(id) >>> 16 === 0

const sameId = (a: string | null, b: string | null): boolean => !isUnknown(a) && !isUnknown(b) && Number(a) === Number(b)

/** The names that a row's board goes by, on one driver or another. */
const namesOf = ({ model, identity, variants }: BoardRow<null>): (string | undefined)[] => [
  identity.name ?? derivedName(model),
  ...variants.map(({ name }) => name)
]

/**
 * The row of a GPU, or undefined. The PCI device number says it; of boards that share one, that with the
 * same subsystem or name. Where the number says nothing, the name has to be a row's.
 */
export function rowOf({ name, pciDeviceId, pciSubSystemId }: Told): BoardRow<null> | undefined {
  const isNamed = (row: BoardRow<null>) => name !== null && namesOf(row).includes(name)
  const numbered = boards.filter(({ identity }) => sameId(identity.pciDeviceId, pciDeviceId))
  const likeness = (row: BoardRow<null>) => 2 * Number(sameId(row.identity.pciSubSystemId, pciSubSystemId)) + Number(isNamed(row))
  if (numbered.length > 0) return numbered.reduce((best, row) => (likeness(row) > likeness(best) ? row : best))
  return boards.find(row => isNamed(row) && (isUnknown(pciDeviceId) || isUnknown(row.identity.pciDeviceId)))
}

/** The row of a profile that a driver reported, among those of its board: of its slot, else of its id, else of its name. */
export function profileRowOf<T extends GpuProfileRow<null>>(rows: readonly T[], told: GpuInstanceProfileSnapshot): T | undefined {
  return (
    rows.find(({ slot }) => slot === told.slot) ??
    rows.find(({ slot, id }) => slot === null && id === told.id) ??
    rows.find(({ slot, id, name }) => slot === null && id === null && name === told.name)
  )
}
