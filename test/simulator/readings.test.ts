import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { open } from '../../lib/index.js'
import { boards, readingTable } from '../../lib/simulator/data.js'
import { GpuState, ImageHeader, NodeState, Readings, Slot } from '../../lib/simulator/image-layout.js'
import { type GpuReadings, type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { READING_NAMES, readingsOf } from '../../lib/simulator/readings.js'
import { nvmlMig } from '../cli/helpers.js'

/** The words of a GPU's readings as node.image holds them now. */
function wordsOf(dir: string, gpu = 0): Record<string, bigint> {
  const image = readFileSync(join(dir, 'node.image'))
  const current = image.readBigUInt64LE(ImageHeader.current.offset)
  const slot = Number(image.readBigUInt64LE(ImageHeader.slotOffset.offset + 8 * Number(current & 1n)))
  const at = slot + Slot.bytes + NodeState.bytes + gpu * GpuState.bytes + GpuState.readings.offset
  return Object.fromEntries(READING_NAMES.map(name => [name, image.readBigUInt64LE(at + Readings[name].offset)]))
}

const NONE = 2n ** 64n - 1n

t.test('every figure of the table is backed, and every model is a board', async t => {
  const rows = [readingTable.default, ...Object.values(readingTable.architectures), ...Object.values(readingTable.models)]
  const figures = rows.flatMap(row => Object.entries(row))
  t.ok(figures.length > 500)
  for (const [name, { confidence, source }] of figures) {
    if (!(name === 'vbiosVersion' || READING_NAMES.includes(name as keyof GpuReadings))) t.fail(`${name} is no reading`)
    if (!['recorded', 'documented', 'derived'].includes(confidence) || source === '') t.fail(`${name} is not backed`)
  }
  const models = new Set(boards.map(board => board.model))
  t.same(
    Object.keys(readingTable.models).filter(model => !models.has(model)),
    []
  )
  const architectures = new Set(boards.map(board => board.identity.architecture.split(' ')[0]))
  t.same(
    Object.keys(readingTable.architectures).filter(name => !architectures.has(name)),
    []
  )
})

t.test('what boards show at rest fits together', async t => {
  for (const board of boards) {
    const at = readingsOf(board)
    const ascending = (...names: (keyof GpuReadings)[]): void => {
      const known = names.map(name => at[name]).filter(value => value !== null)
      t.same(
        known,
        known.toSorted((a, b) => a - b),
        `${board.model}: ${names.join(' ≤ ')}`
      )
    }
    ascending('powerMinLimitMilliwatts', 'powerLimitMilliwatts', 'powerMaxLimitMilliwatts')
    ascending('powerMilliwatts', 'powerLimitMilliwatts')
    ascending('temperatureCelsius', 'gpuMaxTemperatureCelsius')
    ascending('temperatureCelsius', 'slowdownTemperatureCelsius', 'shutdownTemperatureCelsius')
    for (const clock of ['Graphics', 'Sm', 'Memory', 'Video'] as const)
      ascending(`${clock.toLowerCase() as 'sm'}ClockMHz`, `max${clock}ClockMHz`)
    ascending('pcieGeneration', 'pcieMaxGeneration', 'pcieDeviceMaxGeneration')
    ascending('pcieWidth', 'pcieMaxWidth')
    t.equal(at.idleMemoryMiB, board.idleMemory.mib)
  }
})

t.test('what was asked for is shown, and can be changed', async t => {
  await using node = await simulate({
    gpus: ['H100-SXM5-80GB', { model: 'A30', readings: { powerMilliwatts: 164_000, eccEnabled: false, fanSpeedPercent: 30 } }]
  })
  const [first, second] = [wordsOf(node.dir), wordsOf(node.dir, 1)]
  t.match(second, { powerMilliwatts: 164_000n, eccEnabled: 0n, fanSpeedPercent: 30n })
  // TDP of the H100 SXM, which its listings show as the limit.
  t.match(first, { powerLimitMilliwatts: 700_000n, eccEnabled: 1n, fanSpeedPercent: NONE })
  node.setReadings(0, { temperatureCelsius: 61, persistenceMode: true, pcieReplays: null, eccVolatileUncorrectedSram: 2 ** 40 })
  t.same(wordsOf(node.dir), {
    ...first,
    temperatureCelsius: 61n,
    persistenceMode: 1n,
    pcieReplays: NONE,
    eccVolatileUncorrectedSram: 2n ** 40n
  })
  t.same(wordsOf(node.dir, 1), second, 'of that GPU alone')
  t.throws(() => node.setReadings(2, {}), { message: 'setReadings: there is no GPU 2; this node has GPUs 0 to 1' })
})

t.test('wrong readings are refused whole', async t => {
  await using node = await simulate({ gpus: ['A30'] })
  const before = wordsOf(node.dir)
  const wrong: [given: object, sentence: string][] = [
    [{ temperatureCelsius: 40, powerMilliwatts: -1 }, 'powerMilliwatts is a whole number from 0 to 4294967295 or null, not -1'],
    [{ fanSpeedPercent: 101 }, 'fanSpeedPercent is a whole number from 0 to 100 or null, not 101'],
    [{ eccEnabled: 1 }, 'eccEnabled is true, false or null, not 1'],
    [{ performanceState: 16 }, 'performanceState is a whole number from 0 to 15 or null, not 16'],
    [{ temperature: 40 }, "setReadings has no option 'temperature'; did you mean 'temperatureCelsius'?"]
  ]
  for (const [given, sentence] of wrong) {
    t.throws(() => node.setReadings(0, given), {
      message: sentence.startsWith('setReadings') ? sentence : `setReadings: ${sentence}`
    })
    t.same(wordsOf(node.dir), before)
  }
  await t.rejects(simulate({ gpus: [{ model: 'A30', readings: { smClockMHz: 0.5 } }] }), {
    message: 'simulate: readings of gpus[0]: smClockMHz is a whole number from 0 to 4294967295 or null, not 0.5'
  })
})

t.test('readings are part of the request', async t => {
  const dir = join(t.testdir(), 'node')
  const request = (readings: GpuReadings): SimulateOptions => ({ gpus: [{ model: 'A30', readings }], dir })
  await simulate(request({ powerMilliwatts: 1, temperatureCelsius: 2 }))
  await simulate(request({ temperatureCelsius: 2, powerMilliwatts: 1 }))
  await t.rejects(simulate(request({ powerMilliwatts: 2 })), { code: 'DIFFERENT_NODE', message: /readings/ })
})

t.test('a pipe in place of node.json keeps nobody waiting', async t => {
  await using node = await simulate({ gpus: ['A30'] })
  rmSync(join(node.dir, 'node.json'))
  execFileSync('mkfifo', [join(node.dir, 'node.json')])
  t.throws(() => node.check(), { code: 'UNKNOWN', message: /node\.json is not the one/ })
})

t.test('a node.json that was changed or lost is found at init', async t => {
  for (const [damage, code, sentence] of [
    [(text: string) => text.replace('A30', 'A31'), 'UNKNOWN', /node\.json is not the one that the node was made with/],
    [(text: string) => `${text} `, 'UNKNOWN', /node\.json is not the one/],
    [undefined, 'DRIVER_NOT_LOADED', /node\.json, which belongs to the node, cannot be read: No such file/]
  ] as const) {
    await using node = await simulate({ gpus: ['A30'] })
    const file = join(node.dir, 'node.json')
    if (damage) writeFileSync(file, damage(readFileSync(file, 'utf8')))
    else rmSync(file)
    await t.rejects(open({ library: node.library }), { code })
    await t.rejects(simulate({ gpus: ['A30'], dir: node.dir }), { code: damage ? /UNKNOWN|DIFFERENT_NODE/ : 'NOT_A_NODE' })
    const { stderr } = await nvmlMig(['list', '--library', node.dir])
    t.match(stderr, sentence, 'the command line says it too')
    t.throws(() => node.check(), { code, message: sentence })
  }
})
