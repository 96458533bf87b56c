// native/simulator/unmodelled.inc: the exported names that no function of abi/symbols.h answers.
import { HEADER } from './layout.mjs'

/** @param names native/simulator/exported_names.json  @param symbols the text of native/abi/symbols.h */
export function unmodelledNames(names, symbols) {
  const answered = new Set([...symbols.matchAll(/^NVML(?:_CLIENT)?_SYMBOL\((nvml\w+),/gm)].map(([, name]) => name))
  for (const name of answered) {
    if (!names.names[name]) throw new Error(`${name} is in symbols.h, but exported_names.json has no first release of it`)
  }
  return [
    `// ${HEADER}`,
    ...Object.keys(names.names)
      .filter(name => !answered.has(name))
      .map(name => `UNMODELLED(${name})`),
    '#undef UNMODELLED',
    ''
  ].join('\n')
}
