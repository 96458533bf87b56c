/**
 * `nvml-mig/layout`: what can be said about MIG layouts without a GPU. Loads without the addon, on
 * any operating system.
 */
export type { DrawLayoutOptions, DrawnComputeInstance, DrawnInstance, PlacedProfile } from './draw.js'
export { boardSlices, drawLayout } from './draw.js'
export type { LayoutErrorCode } from './errors.js'
export { LayoutError } from './errors.js'
export type { ProfileFigures, ProfileName } from './profile-name.js'
export { formatProfileName, parseProfileName, profileName } from './profile-name.js'
