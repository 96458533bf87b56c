/** Names taken out of a library's symbol table: what nm, readelf and dlsym find afterwards. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exportedNames } from '../../lib/simulator/data.js'
import { keepExports } from '../../lib/simulator/elf-exports.js'
import { exportedBy, findRelease } from '../../lib/simulator/releases.js'

const CXX = process.env.CXX ?? 'c++'

/** Compiles a shared library the way binding.gyp links the simulator, or with other flags. */
function build(dir: string, source: string, flags = ['-Wl,-Bsymbolic-functions', '-Wl,-z,now', '-Wl,--hash-style=gnu']): Buffer {
  writeFileSync(join(dir, 'source.cc'), source)
  const library = join(dir, 'library.so')
  execFileSync(CXX, ['-shared', '-fPIC', '-O1', '-o', library, join(dir, 'source.cc'), ...flags])
  return readFileSync(library)
}

const nm = (library: string) =>
  execFileSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(line => line.split(' ').at(-1)!)

/** What dlsym finds of `names` in a library, and what each function returns that it finds. */
function dlsym(library: string, names: readonly string[]): Record<string, number> {
  const script =
    'import ctypes, json, sys\nlibrary = ctypes.CDLL(sys.argv[1])\nnames = json.load(sys.stdin)\n' +
    'print(json.dumps({name: getattr(library, name)() for name in names if hasattr(library, name)}))'
  return JSON.parse(execFileSync('python3', ['-c', script, library], { input: JSON.stringify(names), encoding: 'utf8' }))
}

const everyName = Object.keys(exportedNames.names)

t.test('exactly the names of each release', async t => {
  const dir = t.testdir()
  // Each function returns its own number, and a table of them is filled by relocations.
  const functions = everyName.map((name, i) => `extern "C" int ${name}() { return ${i}; }`)
  const table = `static int (*volatile table[])() = {${everyName.join(', ')}}; extern "C" int third() { return table[2](); }`
  const original = build(dir, `${functions.join('\n')}\n${table}\n`)
  const before = Buffer.from(original)

  const counts: Record<string, number> = { 450: 242, 460: 246, 470: 255, 525: 312, 535: 332, 550: 350 }
  for (const [driver, count] of Object.entries(counts)) {
    const names = exportedBy(findRelease(driver))
    const library = join(dir, `${driver}.so`)
    writeFileSync(library, keepExports(original, new Set([...names, 'third'])))
    t.equal(names.size, count)
    t.same(nm(library).sort(), [...names, 'third'].sort(), `nm -D of ${driver}`)

    const found = dlsym(library, [...everyName, 'third'])
    const numbers = everyName.flatMap((name, i) => (names.has(name) ? [[name, i] as const] : []))
    t.same(
      found,
      Object.fromEntries([...numbers, ['third', 2]]),
      `dlsym on ${driver} finds each name and the function behind it, and no other`
    )
    const readelf = spawnSync('readelf', ['-aW', library], { encoding: 'utf8' })
    t.same([readelf.status, readelf.stderr], [0, ''], 'readelf has nothing to complain of')
  }
  t.same(original, before, 'the original is not touched')

  const stripped = join(dir, 'stripped.so')
  execFileSync('strip', ['-o', stripped, join(dir, 'library.so')])
  const names = exportedBy(findRelease('450'))
  writeFileSync(stripped, keepExports(readFileSync(stripped), names))
  t.same(nm(stripped).sort(), [...names].sort(), 'a stripped library')
  const left = everyName.filter(name => readFileSync(stripped).includes(`\0${name}\0`))
  t.same(left.sort(), [...names].sort(), 'the names that are gone are not in the file either')
})

t.test('relocations follow the symbols they name', async t => {
  const dir = t.testdir()
  // Without -Bsymbolic-functions every call and every pointer goes through a symbol.
  const names = Array.from({ length: 40 }, (_, i) => `f${i}`)
  const source = [
    ...names.map((name, i) => `extern "C" int ${name}() { return ${i}; }`),
    'int (*pointers[])() = {f7, f31};',
    'extern "C" int sum() { return f7() + f31() + pointers[0]() + pointers[1](); }'
  ]
  const original = build(dir, source.join('\n'), ['-Wl,--hash-style=gnu'])
  const library = join(dir, 'kept.so')
  const isPointers = (name: string) => name === 'pointers'
  writeFileSync(library, keepExports(original, new Set(['f7', 'f31', 'sum', 'pointers'])))
  t.same(
    nm(library)
      .filter(name => !isPointers(name))
      .sort(),
    ['f31', 'f7', 'sum']
  )
  t.same(dlsym(library, ['sum', 'f7', 'f8', 'f31']), { sum: 76, f7: 7, f31: 31 })
  t.throws(() => keepExports(original, new Set(['f7', 'sum'])), {
    message: /^a relocation needs exported symbol \d+, which is to go$/
  })
})

t.test('a name that another one ends in', async t => {
  const dir = t.testdir()
  const source = ['nvmlInit', 'xnvmlInit', 'nvmlInit_v2', 'yy_nvmlInit'].map(
    (name, i) => `extern "C" int ${name}() { return ${i}; }`
  )
  const original = build(dir, source.join('\n'))
  const library = join(dir, 'kept.so')
  writeFileSync(library, keepExports(original, new Set(['nvmlInit'])))
  t.same(nm(library), ['nvmlInit'], 'linkers let names share their ends: the shared part stays')
  writeFileSync(library, keepExports(original, new Set(['yy_nvmlInit'])))
  t.same(dlsym(library, ['nvmlInit', 'xnvmlInit', 'nvmlInit_v2', 'yy_nvmlInit']), { yy_nvmlInit: 3 })
})

t.test('what cannot be edited', async t => {
  const dir = t.testdir()
  const source = 'extern "C" int f() { return 0; } extern "C" int g() { return 0; }'
  t.throws(() => keepExports(Buffer.from('MZ, or anything else'), new Set()), {
    message: 'not a 64-bit little-endian ELF library'
  })
  t.throws(() => keepExports(build(dir, source), new Set(['f', 'h', 'i'])), {
    message: 'the library lacks 2 of the 3 names asked for, h among them'
  })
  t.throws(() => keepExports(build(dir, source, ['-Wl,--hash-style=both']), new Set(['f'])), {
    message: 'the library has a dynamic entry 4, which would have to be edited too'
  })
  const none = join(dir, 'none.so')
  writeFileSync(none, keepExports(build(dir, source), new Set()))
  t.same(execFileSync('nm', ['-D', '--defined-only', none], { encoding: 'utf8' }), '', 'no names at all')
  t.same(dlsym(none, ['f', 'g']), {})
})
