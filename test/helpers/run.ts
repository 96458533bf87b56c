/** How long a run of the tests is, and what its random choices come from. */

/** Everything at length and every sample whole: minutes instead of seconds. */
export const FULL = process.env.NVML_MIG_TEST_FULL === '1'

/** What all random choices of a run come from; told again by this variable, a run is the same. */
export const SEED = Number(process.env.NVML_MIG_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
