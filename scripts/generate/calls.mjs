// native/simulator/exported_calls.inc: each function of abi/symbols.h as the library exports it, which
// is a Call of what is played under its name. control.cc has one of its own.
import { HEADER } from './layout.mjs'

const BY_HAND = 'nvmlInternalGetExportTable'

const SYMBOL = /^NVML(?:_CLIENT)?_SYMBOL\((nvml\w+),\s*([^,]+),\s*\(([^)]*)\)\)/gm

/** @param symbols the text of native/abi/symbols.h */
export function exportedCalls(symbols) {
  const written = [...symbols.matchAll(SYMBOL)].filter(([, name]) => name !== BY_HAND)
  const functions = written.map(([, name, result, parameters]) => {
    const list = parameters.replace(/\s+/g, ' ')
    const names = list === 'void' ? [] : list.split(',').map(parameter => /(\w+)$/.exec(parameter.trim())[1])
    return `${result} ${name}(${list === 'void' ? '' : list}) {\n  return Call(Exported::${name}, [&] { return played::${name}(${names.join(', ')}); });\n}`
  })
  return [`// ${HEADER}`, ...functions, ''].join('\n')
}
