// Partitioning an A100, the whole way: each step shows the call, the nvidia-smi command it stands
// for, and what came back.
//   npm start            on a simulated node of two A100-SXM4-40GB
//   npm start -- --real  on this machine's driver, only the steps that read
import { inspect, styleText } from 'node:util'
import { open, SessionError } from 'nvml-mig'
import { boardSlices, drawLayout } from 'nvml-mig/layout'
import { simulate } from 'nvml-mig/simulator'

const color = process.stdout.isTTY && process.stdout.hasColors()
const paint = (style, text) => (color ? styleText(style, text) : text)
const show = text => console.log(text.replaceAll(/^(?=.)/gm, '  '))

/** Makes one call and shows it: the code that is printed is the code that runs. */
async function step(call, { like = '', as = value => inspect(value, { colors: color, breakLength: 100 }) } = {}) {
  const code = String(call).replace(/^\(\) => /, 'await ')
  console.log(`\n${paint('bold', code)}${like && paint('dim', `   // ${like}`)}`)
  const result = await call()
  if (result !== undefined) show(as(result))
  return result
}

function table(headings, rows) {
  if (rows.length === 0) return 'none'
  const lines = [headings, ...rows].map(row => row.map(String))
  const widths = headings.map((_, i) => Math.max(...lines.map(line => line[i].length)))
  const isFigure = i => rows.every(row => typeof row[i] === 'number')
  return lines
    .map(line =>
      line
        .map((cell, i) => (isFigure(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

const gpuTable = ({ gpus, info }) =>
  table(
    ['GPU', 'name', 'UUID', 'driver'],
    gpus.map(({ index, name, uuid }) => [index, name, uuid, info.driverVersion])
  )

const profileTable = profiles =>
  table(
    ['profile', 'id', 'free', 'of', 'MiB', 'SMs'],
    profiles.map(each => [each.name, each.id, each.remaining ?? '?', each.maxInstances, each.memoryMiB, each.multiprocessors])
  )

const deviceTable = devices =>
  table(
    ['profile', 'device', 'GI', 'CI', 'MiB', 'SMs', 'UUID'],
    devices.map(each => [
      each.profile,
      each.index,
      each.gpuInstanceId,
      each.computeInstanceId,
      each.memoryMiB,
      each.multiprocessors,
      each.uuid
    ])
  )

/** Draws who owns which memory slices of a GPU. */
async function draw(gpu) {
  const instances = []
  for (const gi of await gpu.instances()) {
    const computeInstances = await gi.computeInstances()
    instances.push({ id: gi.id, profile: gi.profile, ...gi.placement, computeInstances })
  }
  console.log()
  show(drawLayout({ ...boardSlices(await gpu.profiles()), instances, color }))
}

async function partition(gpu) {
  await step(() => gpu.setMigMode(true), { like: 'nvidia-smi -i 0 -mig 1' })
  await step(() => gpu.profiles(), { like: 'nvidia-smi mig -lgip', as: profileTable })
  await step(() => gpu.placements('3g.20gb'), { like: 'nvidia-smi mig -lgipp' })
  // A profile goes by its name or by the number that nvidia-smi prints: 9 is 3g.20gb here.
  const first = await step(() => gpu.create(9), { like: 'nvidia-smi mig -cgi 9,3g.20gb -C', as: device => deviceTable([device]) })
  const second = await step(() => gpu.create('3g.20gb'), { as: device => deviceTable([device]) })
  await step(() => gpu.devices(), { like: 'nvidia-smi -L', as: deviceTable })
  await draw(gpu)
  await step(() => first.destroy(), { like: 'nvidia-smi mig -dci && nvidia-smi mig -dgi' })
  await step(() => second.destroy())
  await step(() => gpu.devices(), { as: deviceTable })
  await draw(gpu)
}

async function onSimulatedNode() {
  console.log('Partitioning an A100 on a simulated node. On a GPU host only the first call is not needed.')
  const node = await step(() => simulate({ gpus: ['A100-SXM4-40GB*2'] }), {
    as: ({ dir }) => `a node with its own libnvidia-ml.so.1 in ${dir}`
  })
  const nvml = await step(() => open({ library: node.library, root: node.root }), { as: gpuTable })
  try {
    await partition(nvml.gpu(0))
  } finally {
    await nvml.close()
    await node.close()
  }
}

async function onThisMachine() {
  const nvml = await open({ readOnly: true })
  try {
    console.log(`Driver ${nvml.info.driverVersion}, ${nvml.info.library}. Nothing is changed.`)
    for (const gpu of nvml.gpus) {
      console.log(`\nGPU ${gpu.index}: ${gpu.name} (${gpu.uuid})${gpu.migCapable ? '' : ': no MIG'}`)
      if (!gpu.migCapable) continue
      const { current } = await step(() => gpu.migMode(), { like: 'nvidia-smi --query-gpu=mig.mode.current,mig.mode.pending' })
      await step(() => gpu.profiles(), { like: 'nvidia-smi mig -lgip', as: profileTable })
      await step(() => gpu.devices(), { like: 'nvidia-smi -L', as: deviceTable })
      if (current) await draw(gpu)
    }
  } finally {
    await nvml.close()
  }
}

if (process.argv.includes('--real')) {
  await onThisMachine().catch(error => {
    if (!(error instanceof SessionError && error.code === 'LIBRARY_NOT_FOUND')) throw error
    console.log(`This machine has no NVIDIA driver to read: ${error.message}`)
  })
} else await onSimulatedNode()
