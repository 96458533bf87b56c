// native/abi/figures.h: static asserts that hold our declarations to the figures of figures.json.
import { HEADER } from './layout.mjs'

export function figuresHeader(figures) {
  const parts = [
    `// ${HEADER}`,
    `// Source: ${figures.source}.`,
    '#ifndef NVML_MIG_ABI_FIGURES_H',
    '#define NVML_MIG_ABI_FIGURES_H',
    '#include <cstddef>',
    '',
    '#include "nvml_abi.h"',
    ''
  ]
  for (const [name, size] of Object.entries(figures.handles)) parts.push(`static_assert(sizeof(${name}) == ${size});`)
  for (const [name, { size, align, fields }] of Object.entries(figures.structs)) {
    parts.push('', `static_assert(sizeof(${name}) == ${size});`, `static_assert(alignof(${name}) == ${align});`)
    for (const [field, [offset, bytes]] of Object.entries(fields)) {
      parts.push(
        `static_assert(offsetof(${name}, ${field}) == ${offset});`,
        `static_assert(sizeof(${name}::${field}) == ${bytes});`
      )
    }
  }
  parts.push('')
  for (const table of [figures.versions, figures.codes, figures.defines]) {
    for (const [name, value] of Object.entries(table)) parts.push(`static_assert(${name} == ${value}u);`)
    parts.push('')
  }
  parts.push('#endif  // NVML_MIG_ABI_FIGURES_H', '')
  return parts.join('\n')
}

/** The words nvmlErrorString was observed to answer, with the first driver branch that knows each. */
export function errorStrings(figures) {
  const rows = Object.entries(figures.errorStrings).map(
    ([code, words]) => `ERROR_STRING(${code}, ${figures.errorStringsFromDriver[code]}, "${words}")`
  )
  return [
    `// ${HEADER}`,
    '// ERROR_STRING(code, first driver branch that has the words, words)',
    ...rows,
    '#undef ERROR_STRING',
    ''
  ].join('\n')
}
