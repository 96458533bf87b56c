/** `snapshot`, and what is made of one. */
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { board } from '../../lib/simulator/index.js'
import { nvmlMig, stage } from './helpers.js'

t.test('the node as JSON', async t => {
  const { nvml, on } = await stage(t, undefined, { mig: true })
  await nvml.gpu(0).create('3g.20gb')
  const snapshot = await nvml.snapshot()
  for (const line of ['snapshot', 'snapshot --json', 'snapshot --compact']) {
    const { code, stdout, stderr } = await on(line)
    t.same({ code, stderr }, { code: 0, stderr: '' })
    t.same(JSON.parse(stdout), snapshot, line)
    t.equal(stdout.trimEnd().split('\n').length === 1, line.endsWith('compact'))
  }
})

t.test('into a file, whole, for its owner', async t => {
  const { nvml, on } = await stage(t)
  const dir = t.testdir({ old: 'before', folder: {} })
  for (const name of ['new', 'old']) {
    const file = join(dir, name)
    t.same(await on(`snapshot -o ${file}`), { code: 0, stdout: '', stderr: '' })
    t.same(JSON.parse(readFileSync(file, 'utf8')), await nvml.snapshot())
    t.equal(statSync(file).mode & 0o777, 0o600)
  }
  const link = join(dir, 'link')
  symlinkSync(join(dir, 'old'), link)
  t.equal((await on(`snapshot --compact -o ${link}`)).code, 0)
  t.match(readFileSync(join(dir, 'old'), 'utf8'), /^\{"format":"nvml-mig-snapshot\/1".*\}\n$/, 'the file behind a link')
  t.match(await on(`snapshot -o ${join(dir, 'folder')}`), {
    code: 1,
    stdout: '',
    stderr: /folder is no regular file: it would be replaced\n$/
  })
  t.match(await on(`snapshot -o ${join(dir, 'none', 'file')}`), { code: 1, stderr: /none\/file cannot be written \(ENOENT\)\n$/ })
  t.same(readdirSync(dir).sort(), ['folder', 'link', 'new', 'old'], 'nothing half written stays')
})

t.test('changes nothing, whatever the node', async t => {
  const { node, nvml, on } = await stage(t)
  const sets = ['nvmlDeviceSetMigMode', 'nvmlDeviceCreateGpuInstance', 'nvmlGpuInstanceDestroy']
  t.equal((await on('snapshot')).code, 0)
  t.equal((await on('snapshot --compare')).code, 0)
  t.same(
    sets.map(name => node.calls(name)),
    [0, 0, 0]
  )
  await nvml.gpu(0).setMigMode(true)
  t.equal(node.calls('nvmlDeviceSetMigMode'), 1, 'they are counted')
})

t.test('a node of a snapshot', async t => {
  const { nvml, on } = await stage(
    t,
    { gpus: [{ model: 'A100-SXM4-40GB', giNumbering: 'swapped' }], driver: '470' },
    { mig: true }
  )
  const mig = await nvml.gpu(0).create('3g.20gb', { start: 4 })
  const dir = t.testdir()
  const file = join(dir, 'host.json')
  await on(`snapshot -o ${file}`)
  await t.test('for every verb', async t => {
    const { code, stdout } = await nvmlMig(['list', '--from', file])
    t.equal(code, 0)
    t.equal(stdout, (await on('list')).stdout)
    t.match(stdout, mig.uuid)
    const changed = await nvmlMig(['destroy', mig.uuid, '--from', file])
    t.equal(changed.code, 0, 'it can be tried out there')
    t.equal((await nvml.gpu(0).devices()).length, 1, 'and is no more than a trial')
  })
  await t.test('that stays', async t => {
    const made = await nvmlMig(['simulate', '--from', file, '--dir', join(dir, 'node')])
    t.equal(made.code, 0)
    t.equal((await nvmlMig(['layout', '--library', join(dir, 'node')])).stdout, (await on('layout')).stdout)
  })
  await t.test('what does not go with it', async t => {
    for (const [args, message] of [
      [['list', '--from', file, '--simulate', 'A30'], /'--from <file>' cannot be used with option '--simulate <models>'/],
      [['list', '--from', file, '--library', dir], /'--from <file>' cannot be used with option '--library <path>'/],
      [['simulate', '--from', file, '--gpus', 'A30'], /'--from <file>' cannot be used with option '--gpus <models>'/],
      [['list', '--from', file, '--driver', '550'], /--driver is in the snapshot/],
      [['simulate', '--from', file, '--variant', 'ecc'], /--variant is in the snapshot/],
      [['list', '--from', join(dir, 'none')], /none cannot be read \(ENOENT\)/]
    ] as const) {
      t.match(await nvmlMig(args), { code: 1, stdout: '', stderr: message })
    }
    writeFileSync(join(dir, 'text'), 'GPU 0: NVIDIA A30')
    t.match(await nvmlMig(['list', '--from', join(dir, 'text')]), {
      code: 1,
      stderr: /text is no JSON: .*\nnvml-mig snapshot -o FILE writes what --from reads\.\n$/
    })
    writeFileSync(join(dir, 'other'), '{"format":"nvml-mig-list/1"}')
    t.match(await nvmlMig(['list', '--from', join(dir, 'other')]), {
      code: 1,
      stderr: "nvml-mig: simulate: from.format is 'nvml-mig-snapshot/1', not 'nvml-mig-list/1'\n"
    })
  })
})

t.test('beside the rows', async t => {
  await t.test('equal', async t => {
    const { on } = await stage(t, { gpus: ['A100-SXM4-40GB*2'] })
    t.same(await on('snapshot --compare'), {
      code: 0,
      stderr: '',
      stdout: 'Driver 550.163.01\n\nGPU 0, 1: NVIDIA A100-SXM4-40GB: row A100-SXM4-40GB\n  equal to the row\n'
    })
  })
  await t.test('different', async t => {
    const row = board('A30')
    Object.assign(row.profiles![0]!, { memoryMiB: 6016, starts: [0, 1] })
    Object.assign(row.identity, { bar1TotalMiB: 65536 })
    const { on } = await stage(t, { gpus: [{ model: 'A30', board: row }] })
    const file = join(t.testdir(), 'boards.json')
    const { code, stdout } = await on(`snapshot --compare -o ${file}`)
    t.equal(code, 2)
    t.equal(
      stdout,
      [
        'Driver 550.163.01',
        '',
        'GPU 0: NVIDIA A30: row A30',
        '  differs in 3 figures',
        '    figure               ours (strength)       driver',
        '    bar1TotalMiB         32768                 65536',
        '    starts of 1g.6gb     {0,1,2,3} (recorded)  {0,1}',
        '    memoryMiB of 1g.6gb  5952 (recorded)       6016',
        '',
        `A file of it helps the simulator, and names neither machine nor board: ${file} has it all.`,
        ''
      ].join('\n')
    )
    const written = JSON.parse(readFileSync(file, 'utf8'))
    t.match(written, {
      format: 'nvml-mig-comparison/1',
      equal: false,
      driver: { version: '550.163.01' },
      gpus: [{ model: 'A30' }]
    })
    t.equal(statSync(file).mode & 0o777, 0o600)
    const json = await on('snapshot --compare --json')
    t.equal(json.code, 2)
    t.same(JSON.parse(json.stdout), written)
  })
  await t.test('unknown there', async t => {
    const { code, stdout } = await nvmlMig(['snapshot', '--compare', '--simulate', 'GH200-96GB', '--fill', 'derived'])
    t.equal(code, 0)
    t.match(stdout, / {2}equal to the row\n {2}tells \d+ figures that the row does not know, or only derives: worth most\n/)
    t.match(stdout, /^ {4}memoryTotalMiB +unknown +98304$/m)
    t.match(stdout, /: nvml-mig snapshot --compare -o FILE writes it as one\.\n$/)
  })
  await t.test('not readable', async t => {
    const { code, stdout } = await nvmlMig(['snapshot', '--compare', '--simulate', 'A30', '--driver', '470'])
    t.equal(code, 1, 'no profile was compared, so nobody knows')
    t.equal(
      stdout,
      [
        'Driver 470.256.02',
        '',
        'GPU 0: NVIDIA A30: row A30',
        '  equal in what could be read, 1 figure could not: profiles: NOT_SUPPORTED',
        '  no profile could be compared: run as root and, where the driver is older than R550, with MIG on',
        ''
      ].join('\n')
    )
    const { node, on } = await stage(t, { gpus: ['A30'] }, { mig: true })
    node.setPrivileged(false)
    const partly = await on('snapshot --compare')
    t.equal(partly.code, 0)
    t.match(
      partly.stdout,
      /^ {2}equal in what could be read, 12 figures could not: memory: NO_PERMISSION, bar1: NO_PERMISSION, .*placements of 4g\.24gb: NO_PERMISSION/m
    )
    t.notMatch(partly.stdout, /equal to the row|not compared/)
  })
  await t.test('not there', async t => {
    const { node, on } = await stage(t, { gpus: ['A30*3'] })
    node.inject({ gpu: 1, lost: true })
    const lost = await on('snapshot --compare')
    t.equal(lost.code, 1)
    t.match(lost.stdout, /^GPU 0, 2: NVIDIA A30: row A30\n {2}equal to the row\n\nGPU 1: could not be read \(GPU_IS_LOST\)$/m)
    const json = await on('snapshot --compare --json')
    t.equal(json.code, 1)
    t.match(JSON.parse(json.stdout), {
      equal: false,
      gpus: [{ result: 'equal' }, { result: 'unread', unread: ['gpu: GPU_IS_LOST'] }]
    })

    await using denied = await node.container({ gpus: [] })
    t.match(await nvmlMig(['snapshot', '--compare', '--library', denied.library]), {
      code: 1,
      stdout: /^GPU 0, 1, 2: could not be read \(NO_PERMISSION\)$/m
    })
    await using absent = await node.container({ gpus: [], others: 'absent' })
    t.match(await nvmlMig(['snapshot', '--compare', '--library', absent.library]), {
      code: 1,
      stdout: /^No GPU is here that could be compared\.$/m
    })
  })
})
