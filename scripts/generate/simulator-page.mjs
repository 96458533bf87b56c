// docs/simulator.md: the tables between its <!-- table: NAME --> marks; the words around them are ours.
import { complete } from './simulator-data.mjs'

const LEVELS = ['recorded', 'documented', 'derived']

/** "5 recorded, 2 derived". */
function tally(levels) {
  const counts = LEVELS.map(level => [levels.filter(each => each === level).length, level])
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
    'memory MiB',
    'SMs',
    'memory / compute slices',
    'first driver',
    'GPU-instance profiles',
    'their placements',
    'compute-instance profiles',
    'their placements'
  ]
  const rows = boards.map(({ model, identity, minimumDriver, profiles }) => {
    const compute = profiles.flatMap(({ computeInstances }) => computeInstances)
    return [
      model,
      identity.name,
      identity.memoryTotalMiB,
      identity.multiprocessorCount,
      `${identity.memorySlices} / ${identity.computeSlices}`,
      minimumDriver.version,
      tally(profiles.map(row => row.confidence)),
      tally(profiles.map(row => row.placementConfidence)),
      tally(compute.map(row => row.confidence)),
      tally(compute.map(row => row.placementConfidence))
    ]
  })
  return table(heads, rows)
}

function profileTables(boards) {
  const heads = ['profile', 'id', 'placements', 'at most', 'SMs', 'MiB', 'idle MiB', 'since', 'row', 'placements are']
  const sections = boards.map(({ model, profiles }) => {
    const rows = profiles.map(row => [
      row.name,
      row.id,
      `{${row.starts.join(',')}}:${row.memorySlices}`,
      row.instances,
      row.multiprocessors,
      row.memoryMiB,
      `${row.idleMemory.mib} (${row.idleMemory.confidence})`,
      row.since ? `${row.since.branch} (${row.since.confidence})` : '',
      row.confidence,
      row.placementConfidence
    ])
    return `**${model}**\n\n${table(heads, rows)}`
  })
  return sections.join('\n\n')
}

function range({ from, below }) {
  if (from !== undefined && below !== undefined) return `${from} up to, not including, ${below}`
  return from !== undefined ? `${from} and later` : below !== undefined ? `before ${below}` : 'all'
}

function variantTable(boards) {
  const rows = boards.flatMap(({ model, variants, excludes, seenElsewhere }) => [
    ...variants.map(variant => {
      const sizes = Object.entries(variant.memoryMiB ?? {}).map(([name, mib]) => `${name} ${mib} MiB`)
      const name = variant.name ? [`name "${variant.name}"`] : []
      const total = variant.memoryTotalMiB ? [`memory ${variant.memoryTotalMiB} MiB`] : []
      return [model, range(variant), [...name, ...total, ...sizes].join(', '), variant.confidence, variant.source]
    }),
    ...excludes.map(pair => [model, range(pair), `${pair.profiles.join(' and ')} never together`, pair.confidence, pair.source]),
    ...seenElsewhere.map(note => [model, 'none: not used', note, '', ''])
  ])
  return table(['model', 'driver branches', 'what differs', 'known', 'from'], rows)
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

export function simulatorPage(page, { boards, releases, exported, symbols }) {
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
    profiles: profileTables(rows),
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
