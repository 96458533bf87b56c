/** The suite for real drivers, tried on simulated ones, so that it is ready when there is a GPU. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { open } from '../lib/index.js'
import { type SimulateOptions, simulate } from '../lib/simulator/index.js'

const SUITE = fileURLToPath(new URL('hardware/driver.hardware.ts', import.meta.url))

interface Outcome {
  code: number
  output: string
}

async function suite(
  t: Test,
  request: SimulateOptions,
  change?: (uuid: string) => string
): Promise<Outcome & { made: bigint | number }> {
  const node = await simulate(request)
  t.teardown(() => node.close())
  const env: NodeJS.ProcessEnv = { ...process.env, NVML_MIG_HARDWARE_LIBRARY: node.library }
  if (change) env.NVML_MIG_HARDWARE_CHANGE = change(node.gpus[0]!.uuid)
  const outcome = await new Promise<Outcome>(resolve => {
    execFile(process.execPath, [...process.execArgv, SUITE], { env, encoding: 'utf8' }, (error, output) =>
      resolve({ code: error === null ? 0 : Number(error.code), output })
    )
  })
  node.check()
  const made = node.calls('nvmlDeviceCreateGpuInstance') + node.calls('nvmlDeviceCreateGpuInstanceWithPlacement')
  return { ...outcome, made }
}

t.test('it reads, and changes nothing', async t => {
  const { code, output, made } = await suite(t, {
    gpus: [{ model: 'A100-SXM4-40GB', instances: ['3g.20gb', '1g.5gb'] }, 'H100-SXM5-80GB'],
    driver: '550'
  })
  t.equal(code, 0, code === 0 ? 'held' : output)
  t.match(output, /# SKIP changes nothing: NVML_MIG_HARDWARE_CHANGE names no GPU/)
  t.equal(made, 0)
})

t.test('it creates and destroys on the GPU that is named', async t => {
  const { code, output, made } = await suite(t, { gpus: [{ model: 'A30', mig: true }], driver: '550' }, uuid => uuid)
  t.equal(code, 0, code === 0 ? 'held' : output)
  t.equal(made, 2)
})

t.test('it says what is not as a row has it', async t => {
  const node = await simulate({ gpus: ['A30'] })
  t.teardown(() => node.close())
  const nvml = await open({ library: node.library })
  const snapshot = structuredClone(await nvml.snapshot())
  await nvml.close()
  snapshot.gpus[0]!.profiles![0]!.multiprocessors += 2
  const { code, output } = await suite(t, { from: snapshot })
  t.equal(code, 1)
  t.match(output, /not ok .*NVIDIA A30 is as the row A30 says/)
})
