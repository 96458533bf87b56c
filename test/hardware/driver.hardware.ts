/**
 * What the library says of the driver of this machine, held against what must be so on every board, and against the
 * simulator's rows: `npm run test:hardware`. It only reads. NVML_MIG_HARDWARE_LIBRARY names another library than the
 * driver's. NVML_MIG_HARDWARE_CHANGE=GPU-<uuid> allows the part that creates and destroys, on that GPU alone: it
 * must have MIG on and no instance.
 */
import t, { type Test } from 'tap'
import { type Gpu, type GpuInstanceProfile, NvmlError, open, type Placement, type Session } from '../../lib/index.js'
import { compareWithRows, simulate } from '../../lib/simulator/index.js'

const library = process.env.NVML_MIG_HARDWARE_LIBRARY
const changes = process.env.NVML_MIG_HARDWARE_CHANGE
const where = library === undefined ? {} : { library }

const nvml = await open({ ...where, readOnly: true })
t.teardown(() => nvml.close())
t.comment(`driver ${nvml.info.driverVersion}, NVML ${nvml.info.nvmlVersion}, ${nvml.info.library}`)

/** What NVML refuses for want of a right or of MIG is no fault of the library. */
async function ifReadable<T>(t: Test, what: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof NvmlError) || (error.code !== 'NO_PERMISSION' && error.code !== 'NOT_SUPPORTED')) throw error
    t.comment(`${what}: ${error.code}, by ${error.call}`)
    return undefined
  }
}

const overlap = (a: Placement, b: Placement): boolean => a.start < b.start + b.size && b.start < a.start + a.size

t.test('what answers', async t => {
  t.match(nvml.info.driverVersion, /^\d+\.\d+(\.\d+)?$/)
  t.match(nvml.info.nvmlVersion, /^\d+\.\d+/)
  t.ok(
    nvml.info.driverVersion && nvml.info.nvmlVersion.endsWith(nvml.info.driverVersion),
    'NVML’s version ends with the driver’s'
  )
  t.ok(nvml.gpus.length > 0, 'there is a GPU')
})

function checkProfile(t: Test, profile: GpuInstanceProfile): void {
  const { name, placements, remaining, maxInstances } = profile
  t.ok(maxInstances > 0, name)
  if (remaining !== null) t.ok(remaining <= maxInstances, `${name}: no more remain than there can be`)
  const starts = placements?.map(({ start }) => start) ?? []
  t.equal(new Set(starts).size, starts.length, `${name}: each start once`)
}

async function checkInstances(t: Test, gpu: Gpu): Promise<void> {
  const devices = await gpu.devices()
  t.equal(new Set(devices.map(({ uuid }) => uuid)).size, devices.length, 'each MIG device has a UUID of its own')
  for (const device of devices) {
    const ids = { gpu: gpu.index, gpuInstance: device.gpuInstanceId, computeInstance: device.computeInstanceId }
    for (const name of [device.uuid, device.legacyUuid, ids]) t.match(await nvml.find(name), { uuid: device.uuid })
  }
  const instances = await ifReadable(t, 'instances', () => gpu.instances())
  for (const [i, one] of (instances ?? []).entries()) {
    for (const other of instances!.slice(i + 1)) t.notOk(overlap(one.placement, other.placement), 'no slice has two owners')
    const parts = (await ifReadable(t, `compute instances of ${one.id}`, () => one.computeInstances())) ?? []
    for (const part of parts) {
      t.ok(
        devices.some(({ gpuInstanceId, computeInstanceId }) => gpuInstanceId === one.id && computeInstanceId === part.id),
        'each compute instance is a MIG device'
      )
    }
  }
}

for (const gpu of nvml.gpus) {
  t.test(`GPU ${gpu.index}: ${gpu.name || 'not readable'}`, async t => {
    if (gpu.unavailable) return t.fail(`cannot be opened: ${gpu.unavailable.code}`)
    t.match(gpu.uuid, /^GPU-/)
    for (const name of [gpu.uuid, gpu.pciBusId, `${gpu.uuid},-1`]) t.equal(await nvml.find(name), gpu, name)
    if (!gpu.migCapable) return t.comment('no MIG')
    const mode = await gpu.migMode()
    const profiles = await ifReadable(t, 'profiles', () => gpu.profiles())
    for (const profile of profiles ?? []) checkProfile(t, profile)
    if (mode.current) await checkInstances(t, gpu)
    else t.same(await gpu.devices(), [], 'MIG is off')
    await t.rejects(gpu.setMigMode(!mode.current), { code: 'READ_ONLY' })
    await t.rejects(gpu.create(profiles?.[0]?.name ?? '1g.5gb'), { code: 'READ_ONLY' })
  })
}

t.test('the rows of these boards', async t => {
  const { gpus } = compareWithRows(await nvml.snapshot())
  for (const { name, model, differences, settles, unread } of gpus) {
    for (const reason of unread) t.comment(`${name}: not compared: ${reason}`)
    for (const { figure, of, row, driver } of settles)
      t.comment(`${name}: ${figure} of ${of ?? 'the board'}: row ${row}, driver ${driver}`)
    t.same(differences, [], `${name} is as the row ${model} says`)
  }
})

t.test('a simulated node of the snapshot shows the same', async t => {
  const snapshot = await nvml.snapshot()
  t.same(JSON.parse(JSON.stringify(snapshot)), snapshot, 'plain data')
  const node = await simulate({ from: snapshot })
  t.teardown(() => node.close())
  await using twin = await open({ library: node.library, root: node.root })
  const layout = (session: Session) =>
    Promise.all(session.gpus.filter(gpu => gpu.migCapable).map(async gpu => (await gpu.devices()).map(({ uuid }) => uuid)))
  t.same(await layout(twin), await layout(nvml))
  for (const gpu of nvml.gpus) {
    if (!gpu.migCapable) continue
    const read = (each: Gpu) => ifReadable(t, 'profiles', () => each.profiles())
    t.same(await read(twin.gpu(gpu.uuid)), await read(gpu))
  }
})

t.test('an instance comes and goes', async t => {
  if (changes === undefined) return t.plan(0, 'changes nothing: NVML_MIG_HARDWARE_CHANGE names no GPU')
  await using session = await open(where)
  const gpu = session.gpu(changes)
  if (!(await gpu.migMode()).current) return t.fail(`MIG is off on ${changes}; this suite does not turn it on`)
  if ((await gpu.instances()).length > 0) return t.fail(`${changes} has instances; this suite touches none but its own`)
  const { name } = (await gpu.profiles())[0]!
  for (let round = 0; round < 2; round++) {
    const mig = await gpu.create(name)
    t.match(await gpu.devices(), [{ uuid: mig.uuid, profile: name }])
    await mig.destroy()
    t.same(await gpu.instances(), [], 'nothing is left')
  }
})
