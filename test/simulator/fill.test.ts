/** Figures that nobody recorded: refused, derived by formulas that reproduce what was recorded, or given by the caller. */
import t from 'tap'
import type { BoardRow } from '../../lib/simulator/boards.js'
import { fillUnknown } from '../../lib/simulator/fill.js'
import { board, simulate } from '../../lib/simulator/index.js'
import { planNode, readRequest, type SimulateOptions } from '../../lib/simulator/request.js'
import { openNode } from '../helpers/node.js'

const plan = (options: SimulateOptions) => planNode(readRequest(options)).gpus[0]!

t.test('a refusal names what is unknown', async t => {
  await t.rejects(simulate({ gpus: ['gh200-96'] }), {
    name: 'SimulatorError',
    code: 'UNKNOWN_FIGURES',
    message:
      "of GH200-96GB nobody recorded memoryTotalMiB. { fill: 'derived' } has them computed, " +
      "or give a row of your own: { model: 'GH200-96GB', board: … }"
  })
  t.throws(() => plan({ gpus: ['B200'] }), { message: /memoryMiB of 3g\.90gb, 4g\.90gb and 7g\.180gb; computeMultiprocessors/ })
  t.throws(() => plan({ gpus: ['thor'] }), { message: /; id of every profile; / })
})

t.test('a node tells what was derived, and how', async t => {
  const { node } = await openNode(t, { gpus: ['GH200-96GB', 'A30'], fill: 'derived' })
  t.match(node.gpus[0]!.filled, [{ figure: 'memoryTotalMiB', of: undefined, value: 98304, formula: /1024 MiB for each GB/ }])
  t.same(node.gpus[1]!.filled, [])
})

/** The row as if nothing but names and counts were known of its profiles. */
const forgetful = (row: BoardRow<null>): BoardRow<null> => ({
  ...row,
  identity: { ...row.identity, memorySlices: null },
  profiles: row.profiles!.map(profile => ({
    ...profile,
    id: null,
    slot: null,
    memorySlices: null,
    starts: null,
    multiprocessors: null,
    placementConfidence: null,
    computeInstances: null
  }))
})

t.test('the formulas reproduce the A30, which is recorded', async t => {
  const { profiles } = board('A30')
  const { board: filled } = fillUnknown(forgetful(board('A30')))
  const shape = (rows: typeof profiles) =>
    rows!.map(({ name, id, slot, memorySlices, starts, multiprocessors }) => ({
      name,
      id,
      slot,
      memorySlices,
      starts,
      multiprocessors
    }))
  t.same(shape(filled.profiles), shape(profiles))
  const compute = (rows: typeof profiles) =>
    rows!.flatMap(row => row.computeInstances!.map(({ confidence, placementConfidence, ...rest }) => rest))
  t.same(compute(filled.profiles), compute(profiles))
  t.equal(filled.identity.memorySlices, 4)
  t.ok(
    filled.profiles.every(({ confidence }) => confidence === 'derived'),
    'and count as derived'
  )
})

t.test('the formulas reproduce ids, slots and multiprocessors of the RTX PRO 6000', async t => {
  const row = board('RTX-PRO-6000-Blackwell-Server')
  const { board: filled } = fillUnknown(forgetful(row))
  const shape = (rows: typeof row.profiles) =>
    rows!.map(({ name, id, slot, multiprocessors }) => ({ name, id, slot, multiprocessors }))
  t.same(shape(filled.profiles), shape(row.profiles))
})

t.test('the formulas reproduce placements of eight-slice boards', async t => {
  const row = board('H100-SXM5-80GB')
  const profiles = row.profiles!.map(profile => (profile.id === 15 ? profile : { ...profile, memorySlices: null, starts: null }))
  const { board: filled } = fillUnknown({ ...row, identity: { ...row.identity, memorySlices: null }, profiles })
  const places = (rows: typeof row.profiles) => rows!.map(({ name, memorySlices, starts }) => ({ name, memorySlices, starts }))
  t.same(places(filled.profiles), places(row.profiles))
  t.same(filled.identity, row.identity)
})

t.test('memory and BAR1 of boards that have them', async t => {
  // Total, in GB as its largest profile is called: a driver rounds GiB up. BAR1: the power of two that holds it.
  for (const model of ['A100-SXM4-40GB', 'A30', 'H100-SXM5-80GB', 'B200', 'GB200', 'GB300']) {
    const { identity, profiles } = board(model)
    const whole = Math.max(...profiles!.map(({ name }) => Number(/(\d+)gb/.exec(name)![1])))
    t.equal(Math.ceil(identity.memoryTotalMiB! / 1024), whole, model)
    const { board: filled } = fillUnknown({ ...board(model), identity: { ...identity, bar1TotalMiB: null } })
    t.equal(filled.identity.bar1TotalMiB, identity.bar1TotalMiB, model)
  }
})

t.test('a board of which no profile is known has its sibling’s', async t => {
  const { board: row } = plan({ gpus: ['A100-SXM-64GB'], fill: 'derived' })
  t.same(
    row.profiles.map(({ name, memoryMiB }) => [name, memoryMiB]),
    [
      ['1g.8gb', 8192],
      ['1g.8gb+me', 8192],
      ['1g.16gb', 16384],
      ['2g.16gb', 16384],
      ['3g.32gb', 32768],
      ['4g.32gb', 32768],
      ['7g.64gb', 65536]
    ]
  )
})

t.test('what has no formula has to be given', async t => {
  const row = board('A30')
  const lonely = { ...row, model: 'X1', identity: { ...row.identity, multiprocessorCount: null } }
  t.throws(() => plan({ gpus: [{ model: 'X1', board: lonely }], fill: 'derived' }), {
    code: 'UNKNOWN_FIGURES',
    message: 'X1: multiprocessorCount is not known and cannot be derived; give it in the row'
  })
})

t.test('the driver that a node plays by itself knows its boards', async t => {
  const driver = (...gpus: string[]) => readRequest({ gpus }).driver
  t.equal(driver('A30', 'h100 pcie'), '550.163.01')
  t.equal(driver('A30', 'B200'), '570.148.08')
  t.equal(driver('B200', 'rtx-pro-5000'), '580.105.08')
})

t.test('a variant', async t => {
  t.throws(() => readRequest({ gpus: [{ model: 'GB200', variant: '1g.23gb' }] }), {
    message: "simulate: variant of gpus[0] is '1g.24gb' or '7g.189gb', not '1g.23gb'"
  })
  t.throws(() => readRequest({ gpus: [{ model: 'A30', variant: 'ecc' }] }), {
    message: "simulate: variant of gpus[0]: A30 has no variants, not 'ecc'"
  })
})

t.test('derived figures are told under the names that the variant has', async t => {
  const { filled } = plan({ gpus: [{ model: 'GB200', variant: '7g.189gb' }], fill: 'derived' })
  const owners = new Set(filled.flatMap(({ of }) => of?.split(' of ') ?? []))
  t.ok(owners.has('7g.189gb') && owners.has('4c.7g.189gb') && owners.has('3g.95gb'))
  t.notOk(owners.has('7g.186gb') || owners.has('3g.93gb'))
})

t.test('a row of the caller’s own', async t => {
  const known = fillUnknown(board('B200')).board
  const mine = { ...known, model: 'B200', profiles: known.profiles.map(row => ({ ...row, memoryMiB: 1024 * row.memorySlices })) }
  const { nvml, node } = await openNode(t, { gpus: [{ model: 'B200', board: mine }, 'A30'] }, { mig: true })
  t.same(node.gpus[0]!.filled, [])
  const mig = await nvml.gpu(0).create('7g.180gb')
  t.equal(mig.memoryMiB, 8192)
})

t.test('a row that cannot be', async t => {
  const row = board('A30')
  const first = row.profiles![0]!
  const withFirst = (change: object) => ({ ...row, profiles: [{ ...first, ...change }, ...row.profiles!.slice(1)] })
  const cases: [board: unknown, message: string | RegExp][] = [
    [7, 'simulate: board of gpus[0] is an object, not 7'],
    [{}, "simulate: board of gpus[0]: format is 'nvml-mig-board/1', not undefined"],
    [{ ...row, model: 'A31' }, "simulate: board of gpus[0]: model is 'A30', the model asked for, not 'A31'"],
    [
      { ...row, identity: { ...row.identity, architecture: 'Volta' } },
      /architecture is one of Ampere, Ada, Hopper, Blackwell, not 'Volta'$/
    ],
    [{ ...row, identity: { ...row.identity, pciDeviceId: '20B7' } }, /pciDeviceId is a string such as '0x20B010DE', not '20B7'$/],
    [withFirst({ memoryMiB: undefined }), /1g\.6gb: memoryMiB is there, or null if it is not known, not undefined$/],
    [withFirst({ memoryMiB: -1 }), /1g\.6gb: memoryMiB is a whole number from 0 on, not -1$/],
    [withFirst({ starts: [0, 3, 4] }), /1g\.6gb: 1 from 4 on run past the 4 memory slices of the board$/],
    [withFirst({ starts: [1, 0] }), /1g\.6gb: starts is an ascending list of at most 16 places, not \[ 1, 0 \]$/],
    [withFirst({ id: 5 }), /two profiles have the id 5$/],
    [withFirst({ name: '1g.6g' }), /: name is a string such as '3g\.20gb', not '1g\.6g'$/],
    [withFirst({ confidence: 'guessed' }), /confidence is 'recorded' or 'documented' or 'derived', not 'guessed'$/],
    [
      withFirst({ computeInstances: Array(11).fill(first.computeInstances![0]) }),
      /computeInstances is a list of at most 10, not /
    ],
    [{ ...row, excludes: [{ profiles: ['1g.6gb', '2g.12bg'] }] }, /there is no profile '2g\.12bg'; did you mean '2g\.12gb'\?$/],
    [{ ...row, variants: 'none' }, /variants is a list, not 'none'$/]
  ]
  for (const [given, message] of cases) {
    t.throws(() => readRequest({ gpus: [{ model: 'A30', board: given as BoardRow<null> }] }), { message })
  }
})

t.test('equal requests make one node, others do not', async t => {
  const dir = `${t.testdir()}/node`
  const mine = { ...board('A30'), identity: { ...board('A30').identity, name: 'NVIDIA A30X' } }
  const request = { gpus: [{ model: 'A30', board: mine }], dir }
  await (await simulate(request)).close()
  await (await simulate(request)).close()
  await t.rejects(simulate({ gpus: ['A30'], dir }), { code: 'DIFFERENT_NODE', message: /board rows of its own, not these/ })
})
