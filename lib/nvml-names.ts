/** Names for numbers that NVML has enumerations for. A number newer than this package stands as text. */

type Names = Readonly<Record<number, string>>

// nvmlDeviceArchitecture_t
const ARCHITECTURES: Names = {
  2: 'Kepler',
  3: 'Maxwell',
  4: 'Pascal',
  5: 'Volta',
  6: 'Turing',
  7: 'Ampere',
  8: 'Ada',
  9: 'Hopper',
  10: 'Blackwell',
  13: 'Rubin'
}

// nvmlBrandType_t
const BRANDS: Names = {
  0: 'Unknown',
  1: 'Quadro',
  2: 'Tesla',
  3: 'NVS',
  4: 'GRID',
  5: 'GeForce',
  6: 'Titan',
  7: 'NVIDIA vApps',
  8: 'NVIDIA vPC',
  9: 'NVIDIA vCS',
  10: 'NVIDIA vWS',
  11: 'NVIDIA Cloud Gaming',
  12: 'Quadro RTX',
  13: 'NVIDIA RTX',
  14: 'NVIDIA',
  15: 'GeForce RTX',
  16: 'Titan RTX'
}

// nvmlComputeMode_t
const COMPUTE_MODES: Names = {
  0: 'default',
  1: 'exclusive-thread',
  2: 'prohibited',
  3: 'exclusive-process'
}

const nameOf = (names: Names, number: number): string => names[number] ?? String(number)

/** The number that `name` stands for; undefined if it is none of the names and no number. */
function numberOf(names: Names, name: string): number | undefined {
  const known = Object.entries(names).find(([, each]) => each === name)
  if (known) return Number(known[0])
  return /^\d+$/.test(name) && Number(name) <= 0xffffffff ? Number(name) : undefined
}

export const architectureName = (number: number): string => nameOf(ARCHITECTURES, number)
export const architectureNumber = (name: string): number | undefined => numberOf(ARCHITECTURES, name)
export const brandName = (number: number): string => nameOf(BRANDS, number)
export const computeModeName = (number: number): string => nameOf(COMPUTE_MODES, number)
export const computeModeNumber = (name: string): number | undefined => numberOf(COMPUTE_MODES, name)
export const brandNumber = (name: string): number | undefined => numberOf(BRANDS, name)
