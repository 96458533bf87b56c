/**
 * Every function of NVML that the library calls, made to answer each of its documented codes and those that any may
 * answer: what comes of it is an answer or a documented refusal, the session stays usable and nothing is left behind.
 * A combination counts if the simulator says that it struck. NVML_MIG_TEST_FULL=1 runs all of them, else a seeded part.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { NVML_STATUS } from '../lib/errors.js'
import { NvmlError, open, type Session, SessionError } from '../lib/index.js'
import { type CallFault, type SimulatedNode, simulate } from '../lib/simulator/index.js'
import { FULL, SEED } from './helpers/run.js'

t.setTimeout(FULL ? 20 * 60_000 : 5 * 60_000)

const documented = JSON.parse(readFileSync(fileURLToPath(new URL('facts/documented-returns.json', import.meta.url)), 'utf8')) as {
  functions: Record<string, string[]>
}
const symbols = readFileSync(fileURLToPath(new URL('../native/abi/symbols.h', import.meta.url)), 'utf8')
const FUNCTIONS = [...symbols.matchAll(/^NVML_SYMBOL\((nvml\w+),/gm)].map(([, name]) => name!)
/** FUNCTION_NOT_FOUND aside, which would be another driver: GPU_IS_LOST, RESET_REQUIRED, OPERATING_SYSTEM, IN_USE's neighbour and UNKNOWN. */
const ANYWHERE = [15, 16, 17, 20, 999]
/** One release for each of the forms that calls have had. */
const DRIVERS = ['550', '580', '525', '510', '470', '450']
/** In an ordinary run, one of so many combinations. */
const SAMPLE = 4

/** Not reached by what follows, and why; docs/nvml-coverage.md has it too. */
const { unreached: UNREACHED } = JSON.parse(
  readFileSync(fileURLToPath(new URL('../native/abi/symbols.json', import.meta.url)), 'utf8')
) as { unreached: Record<string, string> }

const statusOf = (code: string): number => NVML_STATUS.get(code as never) ?? Number.NaN

/** What a session is used for, each of which may be refused. */
async function use(nvml: Session): Promise<unknown[]> {
  const errors: unknown[] = []
  const attempt = async <T>(action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action()
    } catch (error) {
      errors.push(error)
      return undefined
    }
  }
  const gpu = nvml.gpus[0]
  if (gpu === undefined) return errors
  await attempt(() => gpu.migMode())
  await attempt(() => gpu.setMigMode(true))
  const profiles = await attempt(() => gpu.profiles())
  await attempt(() => gpu.placements('1g.5gb'))
  const [first] = (await attempt(() => gpu.instances())) ?? []
  if (first) {
    await attempt(() => first.profiles())
    await attempt(() => first.computeInstances())
  }
  const gi = await attempt(() => gpu.createGpuInstance('3g.20gb', profiles?.[0]?.placements ? { start: 4 } : {}))
  if (gi) {
    await attempt(() => gi.placements('1c.3g.20gb'))
    const ci = await attempt(() => gi.createComputeInstance('1c.3g.20gb', {}))
    await attempt(() => gi.createComputeInstance('1c.3g.20gb', { start: 1 }))
    if (ci) await attempt(() => ci.device())
    await attempt(() => gi.destroy({ force: true }))
  }
  const mig = await attempt(() => gpu.create('1g.5gb'))
  if (mig) {
    await attempt(() => nvml.find(mig.uuid))
    await attempt(() => mig.destroy())
  }
  await attempt(() => gpu.devices())
  await attempt(() => nvml.snapshot())
  return errors
}

/** One run of a session from its opening to its end. */
async function live(node: SimulatedNode, betweenUseAndEnd: (nvml: Session) => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = []
  let nvml: Session
  try {
    nvml = await open({ library: node.library, root: node.root })
  } catch (error) {
    return [error]
  }
  errors.push(...(await use(nvml)))
  await betweenUseAndEnd(nvml)
  try {
    await nvml.close()
  } catch (error) {
    errors.push(error)
  }
  return errors
}

/** A node with an instance that nothing here touches, and a session on it that stays. */
async function nodeOf(driver: string): Promise<{ node: SimulatedNode; witness: Session }> {
  const gpus = [{ model: 'A100-SXM4-40GB', mig: true, instances: [{ profile: '2g.10gb', start: 0 }] }]
  const node = await simulate({ gpus, driver, countProcesses: false })
  node.startClient({ gpu: 0, gpuInstance: 3, computeInstance: 0, name: 'train', memoryMiB: 100 })
  return { node, witness: await open({ library: node.library, root: node.root }) }
}

/** What the library calls on a driver. */
async function reached({ node }: { node: SimulatedNode }): Promise<string[]> {
  const exported = FUNCTIONS.filter(name => {
    try {
      node.calls(name)
      return true
    } catch {
      return false
    }
  })
  const before = new Map(exported.map(name => [name, node.calls(name)]))
  const errors = await live(node, async () => {})
  // Older drivers have no call for some of it.
  const lacking = ['PLACEMENT_UNAVAILABLE', 'FUNCTION_NOT_FOUND']
  for (const error of errors) if (!lacking.includes((error as NvmlError).code)) throw error
  return exported.filter(name => node.calls(name) > before.get(name)! && !(name in UNREACHED))
}

/** Pseudorandom, from 0 to 1: mulberry32. */
function* draws(seed: number): Generator<number> {
  for (let state = seed >>> 0; ; ) {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    yield ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

const DOCUMENTED_REFUSALS: readonly string[] = ['INSTANCE_REPLACED', 'PLACEMENT_UNAVAILABLE', 'UNDO_FAILED']

/** Whether an error is what the documentation promises. */
function isDocumented(error: unknown, call: string, status: number): boolean {
  if (error instanceof SessionError) return DOCUMENTED_REFUSALS.includes(error.code)
  // A function that answers so may be what the error names, or have been the reason to look at another.
  return error instanceof NvmlError && (error.call !== call || error.status === status || error.status === 6)
}

/** Takes away what a failing destroy has left. */
async function tidy(witness: Session, kept: number): Promise<void> {
  for (const instance of await witness.gpu(0).instances()) if (instance.id !== kept) await instance.destroy({ force: true })
}

t.test('every function of the library is called on one driver at least', async t => {
  const missing = new Set(FUNCTIONS)
  for (const driver of DRIVERS) {
    const place = await nodeOf(driver)
    for (const name of await reached(place)) missing.delete(name)
    await place.witness.close()
    await place.node.close()
  }
  t.same([...missing].sort(), Object.keys(UNREACHED).sort())
})

t.test('each code of each function', async t => {
  const draw = draws(SEED)
  const done = new Set<string>()
  const openFiles = () => readdirSync('/proc/self/fd').length
  let struck = 0
  let idle = 0
  const wrong: string[] = []
  for (const driver of DRIVERS) {
    const place = await nodeOf(driver)
    const { node, witness } = place
    const names = (await reached(place)).filter(name => !done.has(name))
    const kept = (await witness.gpu(0).instances())[0]!.id
    const files = openFiles()
    for (const call of names) {
      done.add(call)
      const codes = new Set([...(documented.functions[call] ?? []).map(statusOf).filter(Number.isInteger), ...ANYWHERE])
      for (const returns of codes) {
        for (const nth of [undefined, 1]) {
          if (!FULL && draw.next().value * SAMPLE > 1) continue
          const what = `${driver}: ${call} answers ${returns}${nth ? ' once' : ''}`
          const fault = node.inject({ call, returns, ...(nth !== undefined && { nth }) }) as CallFault
          const errors = await live(node, async nvml => {
            fault.remove()
            // Whatever became of its calls, the session goes on.
            await nvml.gpu(0).migMode()
            await nvml.gpu(0).devices()
          }).catch(error => [new Error('the session was not usable afterwards', { cause: error })])
          fault.remove()
          if (fault.fired > 0) struck++
          else idle++
          for (const error of errors) if (!isDocumented(error, call, returns)) wrong.push(`${what}: ${String(error)}`)
          await tidy(witness, kept)
          node.check()
          if ((await witness.gpu(0).instances()).length !== 1) wrong.push(`${what}: instances are left`)
        }
      }
    }
    if (openFiles() !== files) wrong.push(`${driver}: ${openFiles() - files} files are left open`)
    await witness.close()
    await node.close()
  }
  t.comment(`seed ${SEED}: ${struck} combinations struck, ${idle} did not`)
  t.same(wrong, [])
  t.ok(struck > 0)
})
