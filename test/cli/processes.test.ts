/** `list --processes`. */
import t from 'tap'
import { stage } from './helpers.js'

const lines = (text: string) => text.trimEnd().split('\n')

t.test('by MIG device, or of the GPU as a whole', async t => {
  const { node, nvml, on } = await stage(t, { gpus: ['A100-SXM4-40GB', 'A30'] })
  const [a100, a30] = nvml.gpus
  await a100!.setMigMode(true)
  const big = await a100!.create('3g.20gb', { start: 4 })
  const small = await a100!.create('1g.5gb', { start: 0 })
  const there = ({ gpuInstanceId: gpuInstance, computeInstanceId: computeInstance }: typeof big) => ({
    gpu: 0,
    gpuInstance,
    computeInstance
  })
  node.startClient({ ...there(small), pid: 4_194_305, name: 'python3', memoryMiB: 1200, follow: false })
  node.startClient({ ...there(big), pid: 4_194_306, name: 'a\u001b[2Jb', memoryMiB: null, kind: 'mps', follow: false })
  const [head, other] = [a100!, a30!].map(gpu => `GPU ${gpu.index}: ${gpu.name} (${gpu.uuid})  ${gpu.pciBusId}  MIG`)
  const { code, stdout, stderr } = await on('list --processes')
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.same(lines(stdout), [
    `${head} on`,
    `  MIG 3g.20gb  Device 0:  GI ${big.gpuInstanceId}  CI 0  pid 4194306  mps         ? MiB  a?[2Jb   ${big.uuid}`,
    `  MIG 1g.5gb   Device 1:  GI ${small.gpuInstanceId}  CI 0  pid 4194305  compute  1200 MiB  python3  ${small.uuid}`,
    `${other} off`,
    '  no processes'
  ])
  node.startClient({ gpu: 1, pid: 4_194_307, name: 'Xorg', memoryMiB: 20, kind: 'graphics', follow: false })
  t.same(lines((await on('list --processes --gpu 1')).stdout), [
    `${other} off`,
    '  GPU  as a whole:      pid 4194307  graphics  20 MiB  Xorg'
  ])
  const document = JSON.parse((await on('list --processes --json')).stdout)
  const { uuid, index, profile } = small
  t.match(document, { format: 'nvml-mig-processes/1', library: node.library, gpus: { length: 2 } })
  t.same(document.gpus[0].processes[1], {
    pid: 4_194_305,
    kind: 'compute',
    name: 'python3',
    memoryMiB: 1200,
    gpuInstanceId: small.gpuInstanceId,
    computeInstanceId: 0,
    migDevice: { uuid, index, profile }
  })
  t.match(document.gpus[1].processes, [{ pid: 4_194_307, kind: 'graphics', migDevice: null }])
})

t.test('what could not be read is not shown as nothing', async t => {
  const { node, on } = await stage(t, { gpus: ['A30'] })
  node.inject({ call: 'nvmlDeviceGetMPSComputeRunningProcesses_v3', returns: 'NOT_SUPPORTED' })
  t.same(lines((await on('list --processes')).stdout).slice(1), [
    '  no processes',
    '  not shown: processes.mps: nvmlDeviceGetMPSComputeRunningProcesses_v3 answers NOT_SUPPORTED'
  ])
  node.inject({ call: 'nvmlDeviceGetComputeRunningProcesses_v3', returns: 'GPU_IS_LOST' })
  const { code, stdout } = await on('list --processes')
  t.equal(code, 0)
  t.match(stdout, / {2}not shown: processes: nvmlDeviceGetComputeRunningProcesses_v3 answers GPU_IS_LOST\n/)
  t.notMatch(stdout, /no processes/)
  const { gpus } = JSON.parse((await on('list --processes --json')).stdout)
  t.match(gpus[0], { processes: null, unavailable: { processes: { code: 'GPU_IS_LOST', status: 15 } } })
})
