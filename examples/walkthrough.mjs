// Partitioning an A100, the whole way: each step shows the nvidia-smi command it stands for, the
// call, and what came back.
//   npm start            on a simulated node of two A100-SXM4-40GB
//   npm start -- --real  on this machine's driver, only the steps that read
import { inspect, styleText } from 'node:util'
import { open, SessionError } from 'nvml-mig'
import { drawLayout } from 'nvml-mig/layout'
import { simulate } from 'nvml-mig/simulator'

const color = process.stdout.isTTY && process.stdout.hasColors()
const paint = (style, text) => (color ? styleText(style, text) : text)
const indent = text => text.replaceAll(/^(?=.)/gm, '    ')
const plain = value => inspect(value, { colors: color, breakLength: 90, compact: 3 })

/** Makes one call and shows it: the code printed is the code that ran. */
async function step(command, call, show = plain) {
  const code = String(call).replace(/^\(\) => /, 'await ')
  console.log(`\n${paint('bold', code)}${command ? paint('dim', `   // ${command}`) : ''}`)
  const result = await call()
  const shown = show(result)
  if (shown) console.log(indent(shown))
  return result
}

const columns = rows => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map(row => String(row[i]).length)))
  return rows.map(row => row.map((cell, i) => (i ? String(cell).padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ')).join('\n')
}
const profileTable = profiles =>
  columns([
    ['profile', 'id', 'free', 'of', 'MiB', 'SMs'],
    ...profiles.map(each => [each.name, each.id, each.remaining ?? '?', each.maxInstances, each.memoryMiB, each.multiprocessors])
  ])
const deviceTable = devices =>
  devices.length === 0
    ? 'none'
    : columns([
        ['profile', 'device', 'GI', 'CI', 'MiB', 'SMs', 'UUID'],
        ...devices.map(each => [
          each.profile ?? '?',
          each.index,
          each.gpuInstanceId,
          each.computeInstanceId,
          each.memoryMiB,
          each.multiprocessors,
          each.uuid
        ])
      ])

/** What drawLayout() needs to know of a GPU. */
async function layoutOf(gpu) {
  const places = (await gpu.profiles()).flatMap(profile => profile.placements ?? [])
  const instances = await gpu.instances()
  return {
    memorySlices: Math.max(...places.map(({ start, size }) => start + size)),
    instances: await Promise.all(
      instances.map(async gi => ({ ...gi.placement, id: gi.id, profile: gi.profile, computeInstances: await gi.computeInstances() }))
    )
  }
}

async function look(gpu) {
  await step('nvidia-smi --query-gpu=mig.mode.current,mig.mode.pending', () => gpu.migMode())
  await step('nvidia-smi mig -lgip', () => gpu.profiles(), profileTable)
  await step('nvidia-smi mig -lgipp', () => gpu.placements('3g.20gb'))
}

async function onSimulatedNode() {
  await using node = await simulate({ gpus: ['A100-SXM4-40GB', 'A100-SXM4-40GB'] })
  await using nvml = await open({ library: node.library, root: node.root })
}

await (process.argv.includes('--real') ? onThisMachine() : onSimulatedNode())
