/** How busy a simulated GPU or GPU instance is, as GPM measures it. */
import { checkOptions, shown, wholeNumber } from '../arguments.js'
import { halves, NONE } from './control.js'

/**
 * What keeps a GPU or a GPU instance busy, from now on; null or 0 for nothing, and what is left out stays as it is.
 * GPM gives the mean over the time between two samples (nvmlGpmMetricsGet), by the metric id of each.
 */
export interface Activity {
  /** NVML_GPM_METRIC_GRAPHICS_UTIL, 1. */
  readonly graphicsUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_SM_UTIL, 2. */
  readonly smUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_SM_OCCUPANCY, 3. */
  readonly smOccupancyPercent?: number | null
  /** NVML_GPM_METRIC_INTEGER_UTIL, 4. */
  readonly integerUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_ANY_TENSOR_UTIL, 5. */
  readonly tensorUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_DFMA_TENSOR_UTIL, 6. */
  readonly dfmaTensorUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_HMMA_TENSOR_UTIL, 7. */
  readonly hmmaTensorUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_IMMA_TENSOR_UTIL, 9. */
  readonly immaTensorUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_DRAM_BW_UTIL, 10. */
  readonly dramBandwidthUtilizationPercent?: number | null
  /** NVML_GPM_METRIC_FP64_UTIL, 11. */
  readonly fp64UtilizationPercent?: number | null
  /** NVML_GPM_METRIC_FP32_UTIL, 12. */
  readonly fp32UtilizationPercent?: number | null
  /** NVML_GPM_METRIC_FP16_UTIL, 13. */
  readonly fp16UtilizationPercent?: number | null
  /** NVML_GPM_METRIC_PCIE_TX_PER_SEC, 20: MiB a second. */
  readonly pcieTransmitMiBPerSecond?: number | null
  /** NVML_GPM_METRIC_PCIE_RX_PER_SEC, 21: MiB a second. */
  readonly pcieReceiveMiBPerSecond?: number | null
  /** NVML_GPM_METRIC_NVDEC_0_UTIL, 30. */
  readonly decoder0UtilizationPercent?: number | null
  /** NVML_GPM_METRIC_NVJPG_0_UTIL, 40. */
  readonly jpeg0UtilizationPercent?: number | null
}

/** What {@link SimulatedNode.setActivity} takes. */
export interface ActivityOptions extends Activity {
  /** Id of the GPU instance; without one it is about the GPU as a whole. */
  readonly gpuInstance?: number
}

/** The names, in the order of kMetrics in native/simulator/gpm.cc. */
const METRICS: readonly (keyof Activity)[] = [
  'graphicsUtilizationPercent',
  'smUtilizationPercent',
  'smOccupancyPercent',
  'integerUtilizationPercent',
  'tensorUtilizationPercent',
  'dfmaTensorUtilizationPercent',
  'hmmaTensorUtilizationPercent',
  'immaTensorUtilizationPercent',
  'dramBandwidthUtilizationPercent',
  'fp64UtilizationPercent',
  'fp32UtilizationPercent',
  'fp16UtilizationPercent',
  'pcieTransmitMiBPerSecond',
  'pcieReceiveMiBPerSecond',
  'decoder0UtilizationPercent',
  'jpeg0UtilizationPercent'
]

const bitsOf = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0]!

/** The rates as the arguments of their commands, but for the GPU; whatever is wrong with them is a sentence that starts with `where`. */
export function activityArguments(where: string, options: ActivityOptions): number[][] {
  checkOptions(where, options, ['gpuInstance', ...METRICS])
  const { gpuInstance } = options
  const instance = gpuInstance === undefined ? NONE : wholeNumber(`${where}: gpuInstance`, gpuInstance)
  return METRICS.flatMap((name, index) => {
    const value: unknown = options[name]
    if (value === undefined) return []
    const [most, right] = name.endsWith('Percent') ? [100, 'a number from 0 to 100'] : [Number.MAX_VALUE, 'a number from 0 on']
    if (value !== null && !(typeof value === 'number' && value >= 0 && value <= most)) {
      throw new RangeError(`${where}: ${name} is ${right}, or null, not ${shown(value)}`)
    }
    return [[instance, index, ...halves(bitsOf((value as number | null) ?? 0))]]
  })
}
