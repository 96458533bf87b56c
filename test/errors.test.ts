/** Error classes: codes, sentences, hints. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { nvmlCode } from '../lib/errors.js'
import { LayoutError, type NvmlCode, NvmlError, SessionError, type SessionErrorCode } from '../lib/index.js'

const figures = JSON.parse(readFileSync(new URL('../native/abi/figures.json', import.meta.url), 'utf8'))

t.test('every return code of NVML has its name', async t => {
  const codes = Object.entries<number>(figures.codes).filter(([, status]) => status !== 0)
  t.ok(codes.length >= 31)
  for (const [constant, status] of codes) t.equal(nvmlCode(status), constant.replace('NVML_ERROR_', ''), constant)
})

t.test('an NvmlError says what was asked, what came, and what to do', async t => {
  const error = new NvmlError({ status: 19, call: 'nvmlGpuInstanceDestroy', doing: 'destroy GPU instance 3 on GPU 0', gpu: 0 })
  t.ok(error instanceof Error)
  t.equal(error.name, 'NvmlError')
  t.equal(error.message, 'nvmlGpuInstanceDestroy: cannot destroy GPU instance 3 on GPU 0: it is in use (IN_USE)')
  t.strictSame(
    { ...error },
    {
      code: 'IN_USE',
      status: 19,
      call: 'nvmlGpuInstanceDestroy',
      gpu: 0,
      hint: 'Destroy its compute instances first, or destroy({ force: true }), and end the processes that run in it.'
    }
  )
  t.ok(Object.hasOwn(NvmlError.prototype, 'name'), 'the name does not stand in every instance')
})

t.test('a code newer than this package keeps its number', async t => {
  const error = new NvmlError({ status: 77, call: 'nvmlDeviceSetMigMode', doing: 'enable MIG on GPU 1', gpu: 1 })
  t.match(error, { code: 'UNKNOWN', status: 77, message: /NVML answers 77, a code newer than this package/ })
  t.notOk('hint' in error)
  t.match(new NvmlError({ status: 999, call: 'nvmlShutdown', doing: 'shut NVML down' }), { code: 'UNKNOWN', status: 999 })
})

t.test('hints fit the call', async t => {
  const hint = (status: number, call: string, changes = false) => new NvmlError({ status, call, doing: 'x', changes }).hint
  t.match(hint(19, 'nvmlComputeInstanceDestroy'), /processes that run on its MIG device/)
  t.match(hint(19, 'nvmlDeviceSetMigMode'), /Destroy the instances of the GPU and stop what holds it/)
  t.match(hint(19, 'nvmlDeviceCreateGpuInstance'), /hold the whole GPU/)
  t.match(hint(4, 'nvmlInit_v2'), /\/dev\/nvidiactl/)
  t.match(hint(4, 'nvmlDeviceSetMigMode'), /root/)
  t.match(hint(4, 'nvmlDeviceCreateGpuInstance', true), /mig\/config/)
  t.match(hint(4, 'nvmlDeviceGetGpuInstanceById', true), /mig\/config/, 'looking for what shall be destroyed')
  t.match(hint(4, 'nvmlDeviceGetGpuInstances'), /mig\/monitor/)
  t.match(hint(3, 'nvmlDeviceSetMigMode'), /no MIG/)
  t.match(hint(3, 'nvmlDeviceCreateGpuInstance'), /MIG mode is off/)
  t.match(hint(6, 'nvmlDeviceGetGpuInstanceById'), /destroyed/)
  t.match(hint(9, 'nvmlInit_v2'), /modprobe nvidia/)
  t.match(hint(13, 'nvmlDeviceGetMigMode'), /newer driver/)
  t.match(hint(15, 'nvmlDeviceGetMigMode'), /Xid/)
  t.match(hint(16, 'nvmlDeviceGetMigMode'), /nvidia-smi -r/)
  t.match(hint(18, 'nvmlInit_v2'), /reload the nvidia modules/)
  t.match(hint(23, 'nvmlDeviceCreateGpuInstance'), /placements\(profile\)/)
  t.match(hint(999, 'nvmlInit_v2'), /container/)
  t.equal(hint(999, 'nvmlDeviceGetMigMode'), undefined)
  t.equal(hint(2, 'nvmlDeviceGetMigMode'), undefined)
  t.equal(new NvmlError({ status: 18, call: 'nvmlInit_v2', doing: 'x', hint: 'better' }).hint, 'better')
})

t.test('the other classes', async t => {
  t.match(new SessionError('CLOSED', 'why'), { name: 'SessionError', code: 'CLOSED', message: 'why' })
  t.match(new LayoutError('UNKNOWN_PROFILE', 'why', ['1g.5gb']), {
    name: 'LayoutError',
    code: 'UNKNOWN_PROFILE',
    suggestions: ['1g.5gb']
  })
  t.strictSame(new LayoutError('UNKNOWN_PROFILE', 'why').suggestions, [])
})

t.test('codes are literal types', async t => {
  const known: NvmlCode = 'INSUFFICIENT_RESOURCES'
  const session: SessionErrorCode = 'CLOSED'
  // @ts-expect-error there is no such code
  const misspelt: NvmlCode = 'INSUFICIENT_RESOURCES'
  // @ts-expect-error that one is NVML's
  const others: SessionErrorCode = 'IN_USE'
  t.ok([known, session, misspelt, others])
  // @ts-expect-error errors do not change
  new SessionError('CLOSED', '').code = 'READ_ONLY'
})
