/** The directory of a node: made whole or not at all, taken again by an equal request, never overwritten. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type SimulateOptions, simulate } from '../../lib/simulator/index.js'
import { exportedBy, findRelease } from '../../lib/simulator/releases.js'

const gpus = ['A100-SXM4-40GB']
const names = (dir: string) => readdirSync(dir).sort()
const NODE = ['libnvidia-ml.so.1', 'node.image', 'node.json', 'root']
const snapshot = (dir: string) => names(dir).map(name => [name, statSync(join(dir, name)).mtimeMs, statSync(join(dir, name)).ino])

t.test('what is in it', async t => {
  const dir = join(realpathSync(t.testdir()), 'deep/er/node')
  const node = await simulate({ gpus: ['A100-SXM4-40GB', 'A30'], driver: '535', dir })
  t.equal(node.dir, dir)
  t.equal(node.library, join(dir, 'libnvidia-ml.so.1'))
  t.equal(node.root, join(dir, 'root'))
  t.equal(node.driver, '535.274.02')
  t.match(node.gpus, [
    { index: 0, model: 'A100-SXM4-40GB', name: 'NVIDIA A100-SXM4-40GB', pciBusId: '00000000:07:00.0', giNumbering: 'straight' },
    { index: 1, model: 'A30', name: 'NVIDIA A30', pciBusId: '00000000:0F:00.0' }
  ])
  t.same(names(dir), NODE)
  t.same(names(dirname(dir)), ['node'], 'nothing is left beside it')
  const described = JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8'))
  t.match(described, {
    format: 'nvml-mig-node/1',
    request: { driver: '535.274.02', gpus: [{ model: 'A100-SXM4-40GB', giNumbering: 'straight' }, { model: 'A30' }] },
    driver: { version: '535.274.02', nvml: '12.535.274.02', cuda: 12020 },
    gpus: [{ uuid: node.gpus[0]!.uuid, serial: node.gpus[0]!.serial }, { uuid: node.gpus[1]!.uuid }]
  })
  const exported = execFileSync('nm', ['-D', '--defined-only', node.library], { encoding: 'utf8' })
  t.same(
    exported
      .trim()
      .split('\n')
      .map(line => line.split(' ').at(-1)!)
      .sort(),
    [...exportedBy(findRelease('535'))].sort(),
    'the library exports the names of its release'
  )
  const mode = (name: string) => statSync(join(dir, name)).mode & 0o777
  const umask = process.umask()
  t.equal(mode('.'), 0o755 & ~umask)
  for (const name of ['libnvidia-ml.so.1', 'node.image', 'node.json']) t.equal(mode(name), 0o644 & ~umask, name)
  const { size, blocks } = statSync(join(dir, 'node.image'))
  t.ok(blocks * 512 >= size, 'the image has no holes')
  await node.close()
  t.same(names(dir), NODE, 'close() keeps a node that has a place of its own')
})

t.test('an equal request takes the node that is there', async t => {
  const dir = realpathSync(t.testdir({ empty: {} }))
  const place = join(dir, 'empty')
  await (await simulate({ gpus, dir: place })).close()
  const before = snapshot(place)
  symlinkSync(place, join(dir, 'link'))
  for (const options of [
    { gpus, dir: place },
    { gpus: ['a100-sxm4-40gb*1'], driver: '550.163.01', dir: join(dir, 'link'), platform: 'bare-metal', privileged: true }
  ] satisfies SimulateOptions[]) {
    const node = await simulate(options)
    t.equal(node.dir, place)
    await node.close()
  }
  t.same(snapshot(place), before)

  const others: [options: Partial<SimulateOptions>, message: string][] = [
    [{ driver: '535' }, 'driver 550.163.01, not 535.274.02'],
    [{ gpus: ['A30'] }, 'GPUs A100-SXM4-40GB, not A30'],
    [{ gpus: [{ model: 'A100-SXM4-40GB', giNumbering: 'swapped' }] }, 'GPUs A100-SXM4-40GB, not A100-SXM4-40GB (swapped)'],
    [{ platform: 'passthrough', privileged: false }, 'platform bare-metal, not passthrough; privileged true, not false']
  ]
  for (const [options, difference] of others) {
    await t.rejects(simulate({ gpus, dir: place, ...options }), {
      name: 'SimulatorError',
      code: 'DIFFERENT_NODE',
      message: `${place} holds another node: ${difference}. Ask for that one, or choose another directory.`
    })
  }
  t.same(snapshot(place), before, 'and it is left as it is')
})

t.test('what is no node is refused and left alone', async t => {
  const dir = realpathSync(
    t.testdir({
      file: 'text',
      foreign: { 'thesis.tex': 'x', 'notes.txt': 'y' },
      half: { 'node.json': '{"format":"nvml-mig-node/1","request":{"gpus":[]}}', 'libnvidia-ml.so.1': '' },
      broken: { 'node.json': '{', 'libnvidia-ml.so.1': '', 'node.image': '', root: {} },
      newer: { 'node.json': '{"format":"nvml-mig-node/2"}', 'libnvidia-ml.so.1': '', 'node.image': '', root: {} },
      empty: { 'node.json': '{"format":"nvml-mig-node/1"}', 'libnvidia-ml.so.1': '', 'node.image': '', root: {} },
      odd: {
        'node.json': '{"format":"nvml-mig-node/1","request":{"gpus":[null]}}',
        'libnvidia-ml.so.1': '',
        'node.image': '',
        root: {}
      },
      leftover: { 'node.image': 'half of' }
    })
  )
  const left = 'it was left as it is. Choose a directory that is new or empty.'
  const cases: Record<string, string> = {
    file: `${dir}/file is a file: a node needs a directory`,
    foreign: `${dir}/foreign holds notes.txt, thesis.tex and is no simulated node; ${left}`,
    half: `${dir}/half is a damaged node: it has no node.image and no root; ${left}`,
    broken: `${dir}/broken has a node.json that cannot be read; ${left}`,
    newer: `${dir}/newer has a node.json of format "nvml-mig-node/2"; this version of nvml-mig reads nvml-mig-node/1; ${left}`,
    empty: `${dir}/empty has a node.json without the request that made it; ${left}`,
    odd: `${dir}/odd has a node.json without the request that made it; ${left}`,
    leftover: `${dir}/leftover holds node.image and is no simulated node; ${left}`
  }
  const all = names(dir)
  for (const [name, message] of Object.entries(cases)) {
    const place = join(dir, name)
    const before = name === 'file' ? [] : snapshot(place)
    await t.rejects(simulate({ gpus, dir: place }), { name: 'SimulatorError', code: 'NOT_A_NODE', message })
    t.same(name === 'file' ? [] : snapshot(place), before, `${name} is left alone`)
  }
  t.same(names(dir), all, 'nothing is left beside them')
})

t.test('a place that cannot be used', async t => {
  const dir = realpathSync(t.testdir({ file: '' }))
  await t.rejects(simulate({ gpus, dir: join(dir, 'file/node') }), {
    code: 'UNUSABLE_DIRECTORY',
    message: /^a node cannot be made in .*file\/node \((ENOTDIR|EEXIST)\)/
  })
  await t.rejects(simulate({ gpus, dir: '' }), { name: 'RangeError', message: /^simulate: dir / })
  await t.rejects(simulate({ gpus, dir: '/proc/nvml-mig' }), { name: 'SimulatorError', code: 'UNUSABLE_DIRECTORY' })
  t.test('a parent that may not be written', { skip: process.getuid?.() === 0 && 'root may write everywhere' }, async t => {
    mkdirSync(join(dir, 'locked/node'), { recursive: true })
    chmodSync(join(dir, 'locked'), 0o555)
    await t.rejects(simulate({ gpus, dir: join(dir, 'locked/node') }), { code: 'UNUSABLE_DIRECTORY', message: /EACCES/ })
  })
})

t.test('many makers of one place end with one good node', async t => {
  const dir = join(realpathSync(t.testdir()), 'node')
  const nodes = await Promise.all(Array.from({ length: 8 }, () => simulate({ gpus, dir })))
  t.ok(nodes.every(node => node.dir === dir))
  t.same(names(dir), NODE)
  t.same(names(dirname(dir)), ['node'], 'the makers that came second leave nothing')

  const other = join(dirname(dir), 'other')
  const script = fileURLToPath(new URL('../helpers/processes/make-node.ts', import.meta.url))
  const makers = ['A100-SXM4-40GB', 'A30'].flatMap(model =>
    Array.from({ length: 2 }, () =>
      spawn(process.execPath, [...process.execArgv, script, model, other], { stdio: ['ignore', 'pipe', 'inherit'] })
    )
  )
  const outcomes = await Promise.all(
    makers.map(async maker => {
      const said: Buffer[] = []
      maker.stdout.on('data', data => said.push(data))
      await once(maker, 'close')
      return Buffer.concat(said).toString().trim()
    })
  )
  t.same(names(other), NODE)
  const made = JSON.parse(readFileSync(join(other, 'node.json'), 'utf8')).request.gpus[0].model
  const [same, different] = made === 'A30' ? [outcomes.slice(2), outcomes.slice(0, 2)] : [outcomes.slice(0, 2), outcomes.slice(2)]
  t.same(same, [other, other], 'those who asked for what it is have it')
  t.same(different, ['DIFFERENT_NODE', 'DIFFERENT_NODE'], 'the others are told')
  t.same(names(dirname(dir)), ['node', 'other'])
})

t.test('what a maker leaves that died is no node', async t => {
  const dir = join(realpathSync(t.testdir()), 'node')
  const first = await simulate({ gpus, dir })
  await first.close()
  // As far as a maker gets at worst: everything written, not yet moved to its place.
  const other = join(dirname(dir), 'other')
  const leftover = `${other}.partial-0123456789abcdef`
  mkdirSync(leftover)
  for (const name of NODE.slice(0, 3)) writeFileSync(join(leftover, name), readFileSync(join(dir, name)))
  const node = await simulate({ gpus: ['A30'], dir: other })
  t.same(names(dirname(dir)), ['node', 'other', basename(leftover)], 'another maker goes its own way')
  t.equal(node.gpus[0]!.model, 'A30')
  t.ok(existsSync(leftover))
})
