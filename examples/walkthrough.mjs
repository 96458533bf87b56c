// Partitioning an A100, the whole way: each step shows the call, the nvidia-smi command it stands
// for, and what came back.
//   npm start            on a simulated node of two A100-SXM4-40GB
//   npm start -- --real  on this machine's driver, only the steps that read
import { inspect, styleText } from 'node:util'
import { NvmlError, open, SessionError } from 'nvml-mig'
import { boardSlices, drawLayout } from 'nvml-mig/layout'
import { simulate } from 'nvml-mig/simulator'

const color = process.stdout.isTTY && process.stdout.hasColors()
const paint = (style, text) => (color ? styleText(style, text) : text)
const show = text => console.log(text.replaceAll(/^(?=.)/gm, '  '))

/**
 * Makes one call and shows it: the code that is printed is the code that runs. `name` is what the
 * result is called further down, `like` the command that one would type instead.
 */
async function step(call, { name, like, as = value => inspect(value, { colors: color, breakLength: 100 }) } = {}) {
  const answer = call()
  const start = (name ? `const ${name} = ` : '') + (answer instanceof Promise ? 'await ' : '')
  const code = String(call).replace(/^\(\) => /, start)
  console.log(`\n${paint('bold', code)}${like ? paint('dim', `   // ${like}`) : ''}`)
  const result = await answer
  if (result !== undefined) show(as(result))
  return result
}

/** The same where NVML may refuse: it is shown too. */
async function attempt(call, options) {
  try {
    return await step(call, options)
  } catch (error) {
    if (!(error instanceof NvmlError)) throw error
    show([error.message, error.hint].filter(Boolean).join('\n'))
    return undefined
  }
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

const instanceTable = instances =>
  table(
    ['profile', 'GI', 'start', 'size'],
    instances.map(({ profile, id, placement }) => [profile, id, placement.start, placement.size])
  )

const oneDevice = device => deviceTable([device])

async function partition(gpu) {
  await step(() => gpu.setMigMode(true), { like: 'nvidia-smi -i 0 -mig 1' })
  await step(() => gpu.profiles(), { like: 'nvidia-smi mig -lgip', as: profileTable })
  await step(() => gpu.placements('3g.20gb'), { like: 'nvidia-smi mig -lgipp' })
  // A profile goes by its name or by the number that nvidia-smi prints: 9 is 3g.20gb here.
  const first = await step(() => gpu.create(9), { name: 'first', like: 'nvidia-smi mig -cgi 9,3g.20gb -C', as: oneDevice })
  const second = await step(() => gpu.create('3g.20gb'), { name: 'second', as: oneDevice })
  await step(() => gpu.devices(), { like: 'nvidia-smi -L', as: deviceTable })
  await draw(gpu)
  await step(() => first.destroy(), { like: 'nvidia-smi mig -dci && nvidia-smi mig -dgi' })
  await step(() => second.destroy())
  await step(() => gpu.devices(), { as: deviceTable })
  await draw(gpu)
}

async function onSimulatedNode() {
  console.log('Partitioning an A100, on a simulated node. On a GPU host it is the same without the first line.')
  const node = await step(() => simulate({ gpus: ['A100-SXM4-40GB*2'] }), {
    name: 'node',
    as: ({ dir }) => `a libnvidia-ml.so.1 of its own, in ${dir}`
  })
  const nvml = await step(() => open({ library: node.library, root: node.root }), { name: 'nvml', as: gpuTable })
  try {
    const gpu = await step(() => nvml.gpu(0), { name: 'gpu', as: ({ pciBusId }) => pciBusId })
    await partition(gpu)
  } finally {
    await nvml.close()
    await node.close()
  }
}

async function onThisMachine() {
  const nvml = await step(() => open({ readOnly: true }), { name: 'nvml', as: gpuTable })
  try {
    for (const gpu of nvml.gpus) {
      console.log(`\nGPU ${gpu.index}: ${gpu.name}${gpu.migCapable ? '' : ', which has no MIG'}`)
      if (!gpu.migCapable) continue
      const mode = await attempt(() => gpu.migMode(), { like: 'nvidia-smi --query-gpu=mig.mode.current,mig.mode.pending' })
      const profiles = await attempt(() => gpu.profiles(), { name: 'profiles', like: 'nvidia-smi mig -lgip', as: profileTable })
      if (profiles?.length) await attempt(() => gpu.placements(profiles[0].name), { like: 'nvidia-smi mig -lgipp' })
      await attempt(() => gpu.devices(), { like: 'nvidia-smi -L', as: deviceTable })
      if (!mode?.current) continue
      const instances = await attempt(() => gpu.instances(), { like: 'nvidia-smi mig -lgi', as: instanceTable })
      if (instances) await draw(gpu)
    }
  } finally {
    await nvml.close()
  }
}

if (process.argv.includes('--real')) {
  await onThisMachine().catch(error => {
    if (!(error instanceof SessionError && error.code === 'LIBRARY_NOT_FOUND')) throw error
    show(`This machine has no NVIDIA driver to read: ${error.message}`)
  })
} else await onSimulatedNode()
