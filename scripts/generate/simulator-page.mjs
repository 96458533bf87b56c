// docs/simulator.md: the tables between its <!-- table: NAME --> marks; the words around them are ours.
import { HEADER } from './layout.mjs'
import { complete, LEVELS } from './simulator-data.mjs'

/** A figure that nobody recorded. */
const UNKNOWN = '?'
const figure = value => value ?? UNKNOWN

/** "5 recorded, 2 derived". */
function tally(levels) {
  const counts = [...LEVELS, null].map(level => [levels.filter(each => each === level).length, level ?? 'unknown'])
  return counts
    .filter(([count]) => count > 0)
    .map(([count, level]) => `${count} ${level}`)
    .join(', ')
}

const table = (heads, rows) => [heads, heads.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')

function boardTable(boards) {
  const heads = [
    'model',
    'NVML name',
    'architecture',
    'PCI device and subsystem',
    'memory MiB',
    'BAR1 MiB',
    'SMs',
    'memory / compute slices',
    'first driver',
    'GPU-instance profiles',
    'their placements',
    'compute-instance profiles',
    'their placements'
  ]
  const rows = boards.map(({ model, identity, minimumDriver, ...row }) => {
    const profiles = row.profiles ?? []
    const compute = profiles.flatMap(({ computeInstances }) => computeInstances ?? [])
    return [
      model,
      figure(identity.name),
      `${identity.architecture} ${identity.computeCapability}`,
      `${figure(identity.pciDeviceId)} ${figure(identity.pciSubSystemId)}`,
      identity.memoryTotalMiB === null ? UNKNOWN : `${identity.memoryTotalMiB} (${identity.memoryTotalSource})`,
      figure(identity.bar1TotalMiB),
      figure(identity.multiprocessorCount),
      `${figure(identity.memorySlices)} / ${identity.computeSlices}`,
      `${minimumDriver.version} (${minimumDriver.confidence})`,
      tally(profiles.map(row => row.confidence)),
      tally(profiles.map(row => row.placementConfidence)),
      tally(compute.map(row => row.confidence)),
      tally(compute.map(row => row.placementConfidence))
    ]
  })
  return table(heads, rows)
}

const ENGINES = ['copyEngines', 'decoders', 'encoders', 'jpegs', 'ofas']

function profileTables(boards, own) {
  const heads = [
    'profile',
    'id',
    'placements',
    'at most',
    'SMs',
    'CE DEC ENC JPEG OFA',
    'MiB',
    'idle MiB',
    'since',
    'row',
    'placements are'
  ]
  const sections = boards.map(({ model, sameAs, sharedRows, profiles }) => {
    if (profiles === null) return `**${model}**: no profile of it is known.`
    if (sameAs && !own.has(model)) return `**${model}**: the rows of ${sameAs}, ${sharedRows.confidence} (${sharedRows.source}).`
    const rows = profiles.map(row => [
      row.name,
      figure(row.id),
      row.starts === null ? UNKNOWN : `{${row.starts.join(',')}}:${row.memorySlices}`,
      row.instances,
      figure(row.multiprocessors),
      ENGINES.map(engine => figure(row.engines[engine])).join(' '),
      figure(row.memoryMiB),
      `${row.idleMemory.mib} (${row.idleMemory.confidence})`,
      row.since ? `${row.since.branch} (${row.since.confidence})` : '',
      row.confidence,
      row.placementConfidence ?? 'unknown'
    ])
    return `**${model}**\n\n${table(heads, rows)}`
  })
  return sections.join('\n\n')
}

/** The figures of a row that NVML must answer and nobody recorded, by name, with the profiles that lack them. */
function unknownFigures({ identity, profiles }) {
  const found = new Map()
  const lacks = (name, of) => found.set(name, (found.get(name) ?? new Set()).add(of))
  for (const [name, value] of Object.entries(identity)) {
    if (value === null) found.set(name === 'memorySlices' ? 'boardMemorySlices' : name, new Set())
  }
  if (profiles === null) found.set('profiles', new Set())
  for (const row of profiles ?? []) {
    for (const [name, value] of [...Object.entries(row), ...Object.entries(row.engines)]) {
      if (value === null && name !== 'placementConfidence') lacks(name, row.name)
    }
    if (row.computeInstances?.some(({ multiprocessors }) => multiprocessors === null)) lacks('computeMultiprocessors', row.name)
  }
  return [...found].map(([name, of]) => {
    if (of.size === 0) return name
    return `${name} of ${of.size === profiles.length ? 'every profile' : [...of].join(', ')}`
  })
}

function unknownTable(boards) {
  const rows = boards.map(row => [row.model, unknownFigures(row).join('; ')]).filter(([, unknown]) => unknown !== '')
  return table(['model', 'what nobody recorded'], rows)
}

const formulaTable = ({ format, ...formulas }) => table(['figure', 'derived as'], Object.entries(formulas))

function range({ from, below }) {
  if (from !== undefined && below !== undefined) return `${from} up to, not including, ${below}`
  return from !== undefined ? `${from} and later` : below !== undefined ? `before ${below}` : 'all'
}

const neverTogether = ({ profiles, beside }) =>
  `${profiles.join(', ')} never ${beside ? `beside one another, nor beside ${beside.join(', ')}` : 'together'}`

function variantTable(boards) {
  const rows = boards.flatMap(({ model, variants, excludes, seenElsewhere }) => [
    ...variants.map(variant => {
      const sizes = Object.entries(variant.memoryMiB ?? {}).map(([name, mib]) => `${name} ${mib} MiB`)
      const name = variant.name ? [`name "${variant.name}"`] : []
      const total = variant.memoryTotalMiB ? [`memory ${variant.memoryTotalMiB} MiB`] : []
      const names = Object.entries(variant.names ?? {}).map(([from, to]) => `${from} is ${to}`)
      const counts = Object.entries(variant.reportedInstances ?? {}).map(([name, count]) => `${name} counts ${count}`)
      const when = variant.label ? `variant '${variant.label}'` : variant.dialect ? `dialect ${variant.dialect}` : range(variant)
      return [model, when, [...name, ...total, ...names, ...sizes, ...counts].join(', '), variant.confidence, variant.source]
    }),
    ...excludes.map(pair => [model, range(pair), neverTogether(pair), pair.confidence, pair.source]),
    ...seenElsewhere.map(note => [model, 'none: not used', note, '', ''])
  ])
  return table(['model', 'when', 'what differs', 'known', 'from'], rows)
}

/** How many names each release whose symbol table was read exports, as lib/simulator/releases.ts counts. */
function releaseTable(releases, counts) {
  const rows = releases.branches.map(({ branch, header, gpuInstanceProfileSlots, computeInstanceProfileSlots }) => {
    const known = releases.versions.find(row => row.branch === branch)
    return [
      branch,
      known?.version ?? `${branch} (no full version recorded)`,
      header,
      gpuInstanceProfileSlots,
      computeInstanceProfileSlots,
      counts.get(branch) ?? ''
    ]
  })
  return table(
    [
      'branch',
      'version by default',
      'CUDA and header',
      'GPU-instance profile slots',
      'compute-instance profile slots',
      'exported names, as read'
    ],
    rows
  )
}

const code = names => names.map(name => `\`${name}\``).join(' ')

export function simulatorPage(page, { boards, formulas, releases, exported, symbols }) {
  const rows = boards.map(row => complete(row, boards))
  const answered = [...symbols.matchAll(/^NVML_(?:CLIENT_)?SYMBOL\((\w+),/gm)].map(([, name]) => name)
  const names = Object.keys(exported.names)
  const branch = version => Number.parseInt(version, 10)
  const at = release =>
    names.filter(name => {
      const { first, last } = exported.names[name]
      return branch(first) <= branch(release) && (last === undefined || branch(release) <= branch(last))
    })
  const tables = {
    boards: boardTable(rows),
    unknown: unknownTable(rows),
    formulas: formulaTable(formulas),
    variants: variantTable(rows),
    releases: releaseTable(releases, new Map(exported.releases.map(release => [branch(release), at(release).length]))),
    answered: code(answered),
    unmodelled: code(names.filter(name => !answered.includes(name)))
  }
  return page.replace(/(<!-- table: (\w+) -->\n).*?(<!-- end -->)/gs, (_, start, name, end) => {
    if (!tables[name]) throw new Error(`docs/simulator.md wants a table '${name}'`)
    return `${start}\n${tables[name]}\n\n${end}`
  })
}

/** docs/boards.md: the GPU-instance profiles of every board. */
export function boardsPage({ boards }) {
  const rows = boards.map(row => complete(row, boards))
  const own = new Set(boards.filter(row => row.profiles).map(({ model }) => model))
  const intro =
    'The GPU-instance profiles that the simulator plays, board by board; [simulator.md](simulator.md) has their identity, ' +
    'what another driver or make reports, and what becomes of a figure that nobody recorded (?).'
  return `<!-- ${HEADER} -->\n\n# Boards\n\n${intro}\n\n${profileTables(rows, own)}\n`
}
