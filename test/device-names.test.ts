/** CUDA_VISIBLE_DEVICES, built and read. */
import t from 'tap'
import { cudaVisibleDevices, parseCudaVisibleDevices } from '../lib/index.js'
import { openNode } from './helpers/node.js'

const GPU = 'GPU-8932f937-d72c-4106-c12f-20bd9faed9f6'
const OTHER = 'GPU-b7a1f6c0-0f0b-4e5f-8f0a-2f1f6d7c5a10'
const MIG = 'MIG-8932f937-d72c-4106-c12f-20bd9faed9f6'
const LEGACY = `MIG-${GPU}/1/2`
const RULE =
  /A CUDA process uses one MIG device, whatever else it is shown, and no whole GPU beside it: start a process for each\.$/

t.test('built', async t => {
  t.equal(cudaVisibleDevices([]), '')
  t.equal(cudaVisibleDevices([OTHER, { uuid: GPU }]), `${OTHER},${GPU}`)
  t.equal(cudaVisibleDevices([MIG]), MIG)
  t.equal(cudaVisibleDevices([LEGACY]), LEGACY)
  t.throws(() => cudaVisibleDevices([MIG, LEGACY]), { name: 'RangeError', message: RULE })
  t.throws(() => cudaVisibleDevices([GPU, MIG]), { message: RULE })
  t.throws(() => cudaVisibleDevices([GPU, GPU]), { message: /is there twice/ })
  t.throws(() => cudaVisibleDevices(['0']), { name: 'RangeError', message: /'0' is no UUID/ })
  // @ts-expect-error no list
  t.throws(() => cudaVisibleDevices(GPU), { name: 'TypeError', message: /takes a list/ })
  // @ts-expect-error numbers are CUDA's own
  t.throws(() => cudaVisibleDevices([0]), { name: 'TypeError', message: /a device is an object with a UUID, or one, not 0/ })
})

t.test('read', async t => {
  t.same(parseCudaVisibleDevices(''), [])
  t.same(parseCudaVisibleDevices(' '), [])
  t.same(parseCudaVisibleDevices(`${GPU}, ${OTHER}`), [GPU, OTHER])
  t.same(parseCudaVisibleDevices('GPU-8932f937'), ['GPU-8932f937'], 'the first part is enough for CUDA')
  t.same(parseCudaVisibleDevices(MIG), [MIG])
  t.same(parseCudaVisibleDevices(LEGACY), [LEGACY])
  t.same(parseCudaVisibleDevices(`${GPU},-1,${OTHER}`), [GPU], '-1 ends the list')
  t.same(parseCudaVisibleDevices('-1'), [])
  t.throws(() => parseCudaVisibleDevices(`${MIG},${LEGACY}`), { name: 'RangeError', message: RULE })
  t.throws(() => parseCudaVisibleDevices('0,1'), {
    name: 'RangeError',
    message: /^CUDA_VISIBLE_DEVICES: 0 is a number in CUDA's own order/
  })
  t.throws(() => parseCudaVisibleDevices(`${GPU},`), { message: /'' names no device/ })
  // @ts-expect-error not set
  t.throws(() => parseCudaVisibleDevices(undefined), {
    name: 'TypeError',
    message: 'CUDA_VISIBLE_DEVICES is a string, not undefined'
  })
})

t.test('every name of a MIG device leads to it, on each side of R470', async t => {
  for (const driver of ['450', '470', '550']) {
    const { nvml } = await openNode(t, { gpus: ['A100-SXM4-40GB'], driver }, { mig: true })
    const mig = await nvml.gpu(0).create('1g.5gb')
    const { uuid, legacyUuid, cudaVisibleDevices: visible } = mig
    t.equal(uuid === legacyUuid, driver === '450')
    t.equal(visible, cudaVisibleDevices([mig]))
    for (const name of new Set([uuid, legacyUuid, visible]))
      t.match(await nvml.find(name), { uuid, legacyUuid }, `${driver}: ${name}`)
    t.equal(await nvml.find(mig.gpu.uuid), nvml.gpu(0))
  }
})
