/** Boards beside the simulator's rows of them. */
import t from 'tap'
import type { Snapshot } from '../../lib/index.js'
import { type BoardRow, board, type ComparedFigure, compareWithRows, models } from '../../lib/simulator/index.js'
import { openNode } from '../helpers/node.js'
import { fillWithInstances, snapshotFrom, snapshotOf, throughJson } from '../helpers/snapshots.js'

const short = ({ figure, of, row, confidence, driver }: ComparedFigure) => [figure, of, row, confidence, driver]

/** A node of an A30 whose row was changed: what it lists must be what was changed, and nothing else. */
const changed = (change: (row: BoardRow<null>) => unknown, prepare?: Parameters<typeof snapshotFrom>[1]): Promise<Snapshot> => {
  const row = board('A30')
  change(row)
  return snapshotFrom({ gpus: [{ model: 'A30', board: row }] }, prepare)
}

for (const driver of ['450', '470', '535', '550', '580']) {
  t.test(`a node made of a row equals it, on R${driver}`, async t => {
    let compared = 0
    for (const model of models) {
      let snapshot: Snapshot
      try {
        snapshot = await snapshotFrom({ gpus: [model], driver, fill: 'derived' }, nvml => fillWithInstances(nvml.gpu(0)))
      } catch (error) {
        if (error instanceof RangeError && /needs driver/.test(error.message)) continue
        throw error
      }
      const { equal, gpus } = compareWithRows(snapshot)
      const [gpu] = gpus
      t.match({ equal, gpu }, { equal: true, gpu: { model, variant: null, board: null, differences: [] } }, model)
      t.same(gpu!.differences, [])
      t.ok(
        gpu!.settles.every(({ row, confidence }) => (row === null ? confidence === 'unknown' : confidence === 'derived')),
        `${model}: only what is unknown or derived is worth sending`
      )
      compared++
    }
    t.ok(compared > 0)
  })
}

t.test('a figure that is changed is listed, and no other', async t => {
  const cases: [
    change: (row: { -readonly [K in keyof BoardRow<null>]: BoardRow<null>[K] } & BoardRow<null>) => unknown,
    expected: unknown[]
  ][] = [
    [row => Object.assign(row.identity, { name: 'NVIDIA A30X' }), ['name', null, 'NVIDIA A30', null, 'NVIDIA A30X']],
    [row => Object.assign(row.identity, { memoryTotalMiB: 24000 }), ['memoryTotalMiB', null, 24576, 'recorded', 24000]],
    [row => Object.assign(row.identity, { bar1TotalMiB: 65536 }), ['bar1TotalMiB', null, 32768, null, 65536]],
    [
      row => Object.assign(row.identity, { pciSubSystemId: '0x999910DE' }),
      ['pciSubSystemId', null, '0x153210DE', null, '0x999910DE']
    ],
    [row => Object.assign(row.profiles![0]!, { memoryMiB: 6016 }), ['memoryMiB', '1g.6gb', 5952, 'recorded', 6016]],
    [row => Object.assign(row.profiles![0]!, { id: 99 }), ['id', '1g.6gb', 14, 'recorded', 99]],
    [row => Object.assign(row.profiles![0]!, { multiprocessors: 12 }), ['multiprocessors', '1g.6gb', 14, 'recorded', 12]],
    [row => Object.assign(row.profiles![0]!, { starts: [0, 1, 2] }), ['starts', '1g.6gb', [0, 1, 2, 3], 'recorded', [0, 1, 2]]],
    [row => Object.assign(row.profiles![0]!, { instances: 3 }), ['instances', '1g.6gb', 4, 'recorded', 3]],
    [row => Object.assign(row.profiles![0]!, { p2p: true }), ['p2p', '1g.6gb', false, 'recorded', true]],
    [row => Object.assign(row.profiles![0]!.engines, { jpegs: 1 }), ['jpegs', '1g.6gb', 0, 'recorded', 1]],
    [
      row => Object.assign(row.profiles![0]!, { name: '1g.7gb', computeInstances: [] }),
      ['name', '1g.6gb', '1g.6gb', 'recorded', '1g.7gb']
    ],
    [row => Object.assign(row.profiles![0]!, { capabilities: 4 }), ['capabilities', '1g.6gb', 0, null, 4]]
  ]
  for (const [change, expected] of cases) {
    const { equal, gpus } = compareWithRows(await changed(change))
    t.equal(equal, false)
    t.same(gpus[0]!.differences.map(short), [expected], String(expected[0]))
  }
})

t.test('a profile that only one of them has', async t => {
  const less = compareWithRows(
    await changed(row => Object.assign(row, { profiles: row.profiles!.filter(({ slot }) => slot !== 1), excludes: [] }))
  )
  t.same(less.gpus[0]!.differences.map(short), [['profile', '2g.12gb', '2g.12gb', 'recorded', null]])
  const more = compareWithRows(await changed(row => Object.assign(row.profiles![1]!, { slot: 9 })))
  t.match(more.gpus[0]!.differences.map(short), [
    ['profile', '1g.6gb+me', null, null, { name: '1g.6gb+me', slot: 9, memoryMiB: 5952 }],
    ['profile', '1g.6gb+me', '1g.6gb+me', 'recorded', null]
  ])
  // The row has the +me profile since R470, derived of the header.
  const early = throughJson(await snapshotFrom({ gpus: ['A30'], driver: '470' }, nvml => nvml.gpu(0).setMigMode(true)))
  early.driver.version = '460.106.00'
  const { differences } = compareWithRows(early).gpus[0]!
  t.ok(
    differences.some(each => each.figure === 'since' && each.row === 470 && each.confidence === 'derived' && each.driver === 460)
  )
})

t.test('what compute instances are, where one could be asked for', async t => {
  const snapshot = await changed(
    row => Object.assign(row.profiles![4]!.computeInstances![0]!, { multiprocessors: 12, starts: [0, 1, 2] }),
    async nvml => {
      await nvml.gpu(0).setMigMode(true)
      await nvml.gpu(0).createGpuInstance('4g.24gb')
    }
  )
  const [gpu] = compareWithRows(snapshot).gpus
  t.same(gpu!.differences.map(short), [
    ['multiprocessors', '1c.4g.24gb of 4g.24gb', 14, 'derived', 12],
    ['starts', '1c.4g.24gb of 4g.24gb', [0, 1, 2, 3], 'derived', [0, 1, 2]]
  ])
})

t.test('what the row does not know is what is worth most', async t => {
  const { equal, gpus } = compareWithRows(await snapshotFrom({ gpus: ['GH200-96GB'], fill: 'derived' }))
  t.equal(equal, true)
  t.same(gpus[0]!.settles.filter(({ confidence }) => confidence === 'unknown').map(short), [
    ['memoryTotalMiB', null, null, 'unknown', 98304]
  ])
  // No profile of this board is known.
  const bare = compareWithRows(await snapshotFrom({ gpus: ['A100-SXM-64GB'], fill: 'derived' }))
  t.match(bare.gpus[0]!.settles.filter(({ figure }) => figure === 'profile').map(short)[0], [
    'profile',
    /^1g/,
    null,
    'unknown',
    { slot: 0 }
  ])
})

t.test('the make that it is, and the release that it runs', async t => {
  const made = compareWithRows(await snapshotFrom({ gpus: [{ model: 'H100-NVL-94GB', variant: 'mid-2024' }] }))
  t.match(made, { equal: true, gpus: [{ model: 'H100-NVL-94GB', variant: 'mid-2024' }] })
  // 4g.24gb had 23.50 GiB before R525: recorded in a30-lgip-470.
  const other = throughJson(await snapshotFrom({ gpus: ['A30'], driver: '510' }, nvml => nvml.gpu(0).setMigMode(true)))
  const whole = other.gpus[0]!.profiles!.find(({ name }) => name === '4g.24gb')!
  t.equal(whole.memoryMiB, 24064)
  whole.memoryMiB = 24000
  t.match(compareWithRows(other).gpus[0]!.differences, [
    { figure: 'memoryMiB', of: '4g.24gb', row: 24064, confidence: 'recorded', source: '23.50 GiB: a30-lgip-470', driver: 24000 }
  ])
})

t.test('a board without a row goes whole', async t => {
  const snapshot = throughJson(await snapshotFrom({ gpus: ['A30', 'A30'] }, nvml => fillWithInstances(nvml.gpu(0))))
  for (const gpu of snapshot.gpus)
    Object.assign(gpu, { name: 'NVIDIA X999', pciDeviceId: '0x7FFF10DE', pciSubSystemId: '0x7FFE10DE' })
  const { equal, gpus } = compareWithRows(snapshot)
  t.equal(equal, false)
  t.match(gpus, [
    { indices: [0], model: null, board: { name: 'NVIDIA X999', memoryTotalMiB: 24576, profiles: [{ name: '1g.6gb' }] } },
    { indices: [1], model: null }
  ])
  t.match(gpus[0]!.board!.profiles!.find(({ name }) => name === '2g.12gb')!.computeInstanceProfiles, [
    { name: '1c.2g.12gb' },
    { name: '2g.12gb' }
  ])
})

t.test('boards alike stand there once, and nothing names one of them', async t => {
  const snapshot = await snapshotFrom({ gpus: ['A30', 'A100-SXM4-40GB', 'A30'] }, async nvml => {
    for (const gpu of nvml.gpus) await fillWithInstances(gpu)
  })
  const comparison = compareWithRows(snapshot)
  t.same(
    comparison.gpus.map(({ indices }) => indices),
    [[0, 2], [1]]
  )
  const text =
    JSON.stringify(comparison) +
    JSON.stringify(
      compareWithRows({ ...snapshot, gpus: snapshot.gpus.map(gpu => ({ ...gpu, name: 'NVIDIA X', pciDeviceId: '0x7FFF10DE' })) })
    )
  const telling = snapshot.gpus.flatMap(({ uuid, serial, pciBusId, boardPartNumber, migDevices }) => [
    uuid!,
    serial!,
    pciBusId!,
    boardPartNumber!,
    ...migDevices!.map(device => device.uuid)
  ])
  t.ok(telling.length > 12)
  t.same(
    telling.filter(each => text.includes(each)),
    []
  )
})

t.test('what could not be read is not compared', async t => {
  const off = compareWithRows(await snapshotFrom({ gpus: ['A30'], driver: '535' }))
  t.match(off, { equal: false, gpus: [{ result: 'unread', unread: ['profiles: NOT_SUPPORTED'], differences: [] }] })
  const unprivileged = compareWithRows(
    await snapshotFrom({ gpus: ['A30'] }, async (nvml, node) => {
      await nvml.gpu(0).setMigMode(true)
      node.setPrivileged(false)
    })
  )
  t.ok(unprivileged.gpus[0]!.unread.includes('memory: NO_PERMISSION'))
  t.ok(unprivileged.gpus[0]!.unread.includes('placements of 1g.6gb: NO_PERMISSION'))
  t.match(unprivileged, { equal: true, gpus: [{ result: 'equal' }] }, 'profiles were compared')
})

t.test('a GPU of which nothing could be read is not equal', async t => {
  const { node, nvml } = await openNode(t, { gpus: ['A30', 'A30', 'A100-SXM4-40GB'] })
  node.inject({ gpu: 1, lost: true })
  node.inject({ gpu: 2, resetRequired: true })
  const expected = [
    { indices: [0], result: 'equal', model: 'A30' },
    { indices: [1], result: 'unread', model: null, board: null, unread: ['gpu: GPU_IS_LOST'] },
    { indices: [2], result: 'unread', model: null, board: null, unread: ['gpu: RESET_REQUIRED'] }
  ]
  t.match(compareWithRows(await nvml.snapshot()), { equal: false, gpus: expected }, 'lost since the session was opened')
  t.match(compareWithRows(await snapshotOf(node)), { equal: false, gpus: expected }, 'lost before')
  const none = { ...(await nvml.snapshot()), gpus: [] }
  t.match(compareWithRows(none), { equal: false, gpus: [] }, 'nor is no GPU')
})

t.test('a GPU without MIG does not count', async t => {
  const snapshot = throughJson(await snapshotFrom({ gpus: ['A30', 'A30'] }))
  Object.assign(snapshot.gpus[1]!, {
    name: 'Tesla T4',
    pciDeviceId: '0x1EB810DE',
    migCapable: false,
    migMode: null,
    profiles: []
  })
  t.match(compareWithRows(snapshot), { equal: true, gpus: [{ result: 'equal' }, { result: 'no-mig', board: null }] })
})

t.test('what is no snapshot', async t => {
  for (const value of [null, {}, { format: 'nvml-mig-snapshot/9' }] as unknown[]) {
    t.throws(() => compareWithRows(value as Snapshot), {
      name: 'TypeError',
      message: /^compareWithRows takes a snapshot of format 'nvml-mig-snapshot\/1', not /
    })
  }
})

t.test('a snapshot that something happened to', async t => {
  const sound = await snapshotFrom({ gpus: ['A30'] }, nvml => fillWithInstances(nvml.gpu(0)))
  const damaged: [change: (snapshot: Snapshot) => unknown, message: string][] = [
    [it => Object.assign(it, { gpus: {} }), '.gpus is a list, not {}'],
    [it => Object.assign(it, { driver: 7 }), '.driver is an object, not 7'],
    [it => Object.assign(it.driver, { version: 'fast' }), ".driver.version is a text such as '550.163.01', not 'fast'"],
    [it => Object.assign(it.gpus, [null]), '.gpus[0] is an object, not null'],
    [it => Object.assign(it.gpus[0]!, { unavailable: undefined }), '.gpus[0].unavailable is an object, not undefined'],
    [it => Object.assign(it.gpus[0]!, { profiles: 3 }), '.gpus[0].profiles is a list, not 3'],
    [it => Object.assign(it.gpus[0]!, { pciDeviceId: 8375 }), ".gpus[0].pciDeviceId is a text such as '0x20B010DE', not 8375"],
    [
      it => Object.assign(it.gpus[0]!.profiles![0]!, { computeInstanceProfiles: 1 }),
      '.gpus[0].profiles[0].computeInstanceProfiles is a list, not 1'
    ],
    [it => Object.assign(it.gpus[0]!.profiles![0]!, { engines: null }), '.gpus[0].profiles[0].engines is an object, not null']
  ]
  for (const [change, message] of damaged) {
    const snapshot = throughJson(sound)
    change(snapshot)
    t.throws(() => compareWithRows(snapshot), { name: 'TypeError', message: `compareWithRows: snapshot${message}` })
  }
  const unversioned = { ...sound, driver: { ...sound.driver, version: null } }
  t.throws(() => compareWithRows(unversioned), { name: 'RangeError', message: /the driver did not tell its version/ })
})

t.test('a board that is larger than a node could be is compared all the same', async t => {
  const snapshot = throughJson(await snapshotFrom({ gpus: ['A30'] }))
  const [gpu] = snapshot.gpus
  Object.assign(gpu!, { serial: '', maxMigDevices: 16 })
  Object.assign(gpu!.profiles![0]!, { slices: 16, maxInstances: 16, slot: 40 })
  Object.assign(snapshot, { gpus: Array.from({ length: 20 }, (_, index) => ({ ...gpu, index })) })
  const { gpus } = compareWithRows(snapshot)
  t.equal(gpus[0]!.indices.length, 20)
  t.ok(
    gpus[0]!.differences.some(({ figure, driver }) => figure === 'profile' && (driver as { slot?: number } | null)?.slot === 40)
  )
})
