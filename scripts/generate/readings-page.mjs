// docs/readings.md: what boards show at rest, from lib/simulator/readings.json.
import { HEADER } from './layout.mjs'

const table = rows => ['| reading | value | known | from |', '| --- | --- | --- | --- |', ...rows].join('\n')

const rowsOf = figures =>
  Object.entries(figures).map(
    ([name, { value, confidence, source }]) =>
      `| ${name} | ${value ?? 'not there'} | ${confidence} | ${source.replaceAll('|', '\\|')} |`
  )

const section = (heading, figures) => `${heading}\n\n${table(rowsOf(figures))}`

export function readingsPage({ readings }) {
  const { about, sources, architectures, models } = readings
  return [
    `<!-- ${HEADER} -->`,
    '# Readings',
    `${about} \`simulate({ gpus: [{ model, readings: { … } }] })\` and \`node.setReadings(gpu, { … })\` set others; [simulator.md](simulator.md) says which NVML function shows which.`,
    '## Sources',
    Object.entries(sources)
      .map(([key, source]) => `- ${key}: ${source}`)
      .join('\n'),
    section('## Every board', readings.default),
    ...Object.entries(architectures).map(([name, figures]) => section(`## ${name}`, figures)),
    ...Object.entries(models).map(([name, figures]) => section(`### ${name}`, figures)),
    ''
  ].join('\n\n')
}
