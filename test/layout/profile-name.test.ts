/** Profile names, apart and together, and the arithmetic behind them. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { formatProfileName, LayoutError, type ProfileName, parseProfileName, profileName } from '../../lib/layout/index.js'

const figures = JSON.parse(readFileSync(new URL('../../native/abi/figures.json', import.meta.url), 'utf8'))
const slot = (name: string): number => {
  const value = figures.defines[`NVML_GPU_INSTANCE_PROFILE_${name}`]
  if (typeof value !== 'number') throw new Error(`figures.json has no slot ${name}`)
  return value
}

t.test('names come apart', async t => {
  const cases: [string, ProfileName][] = [
    ['3g.20gb', { computeSlices: 3, slices: 3, memoryGb: 20, attributes: [] }],
    ['1c.3g.20gb', { computeSlices: 1, slices: 3, memoryGb: 20, attributes: [] }],
    ['1g.5gb+me', { computeSlices: 1, slices: 1, memoryGb: 5, attributes: ['+me'] }],
    ['1c.3g.20gb+me', { computeSlices: 1, slices: 3, memoryGb: 20, attributes: ['+me'] }],
    ['2g.48gb-me', { computeSlices: 2, slices: 2, memoryGb: 48, attributes: ['-me'] }],
    ['1g.24gb+me.all', { computeSlices: 1, slices: 1, memoryGb: 24, attributes: ['+me.all'] }],
    ['4g.96gb+gfx', { computeSlices: 4, slices: 4, memoryGb: 96, attributes: ['+gfx'] }],
    ['1g.24gb+gfx,me', { computeSlices: 1, slices: 1, memoryGb: 24, attributes: ['+gfx', '+me'] }],
    ['MIG 7g.40gb', { computeSlices: 7, slices: 7, memoryGb: 40, attributes: [] }]
  ]
  for (const [name, parts] of cases) {
    t.strictSame(parseProfileName(name), parts, name)
    t.equal(formatProfileName(parts), name.replace('MIG ', ''), `${name} comes together again`)
  }
})

t.test('a compute slice count equal to the slices names the same profile', async t => {
  t.strictSame(parseProfileName('1c.1g.5gb'), parseProfileName('1g.5gb'))
  t.equal(formatProfileName(parseProfileName('1c.1g.5gb')), '1g.5gb')
})

t.test('every name comes together as it was', async t => {
  const attribute = fc.constantFrom('me', 'me.all', 'gfx', 'x1', 'A.b.C')
  const name = fc.record({
    compute: fc.integer({ min: 1, max: 16 }),
    more: fc.integer({ min: 0, max: 16 }),
    memoryGb: fc.integer({ min: 1, max: 9999 }),
    sign: fc.constantFrom('+', '-'),
    words: fc.uniqueArray(attribute, { maxLength: 3 })
  })
  fc.assert(
    fc.property(name, ({ compute, more, memoryGb, sign, words }) => {
      const parts = {
        computeSlices: compute,
        slices: compute + more,
        memoryGb,
        attributes: words.map(word => sign + word)
      }
      t.strictSame(parseProfileName(formatProfileName(parts)), parts)
    }),
    { numRuns: 300 }
  )
})

t.test('what is no name is refused with the part that is wrong', async t => {
  const cases: [string, RegExp][] = [
    ['', /'' is not a profile name: it should read .*like 1g\.5gb/],
    ['1g.5g', /'1g\.5g' is not a profile name: it should read .*<GB>gb/],
    ['3g', /should read/],
    ['1G.5GB', /should read/],
    [' 1g.5gb', /should read/],
    ['1g.5gb ', /should read/],
    ['1g.5gb.me', /should read/],
    ['19', /should read/],
    ['MIG MIG 1g.5gb', /should read/],
    ['0g.5gb', /no profile has 0 slices or 0 GB/],
    ['1g.0gb', /no profile has 0 slices or 0 GB/],
    ['0c.1g.5gb', /no profile has 0 slices or 0 GB/],
    ['2c.1g.5gb', /2 compute slices do not fit into 1/],
    ['1g.5gb+', /an attribute is missing after '\+'/],
    ['1g.5gb+me,', /an attribute is missing after/],
    ['1g.5gb+me,me', /the attribute 'me' stands there twice/],
    ['1g.5gb+1me', /'1me' cannot be an attribute; attributes are words/],
    ['1g.5gb+.me', /'\.me' cannot be an attribute/],
    ['1g.5gb+me.', /'me\.' cannot be an attribute/],
    ['1g.5gb+me-gfx', /'me-gfx' cannot be an attribute/]
  ]
  for (const [name, message] of cases) {
    t.throws(() => parseProfileName(name), { name: 'LayoutError', code: 'INVALID_PROFILE_NAME', message }, `'${name}'`)
  }
  // @ts-expect-error a name is a string
  const number = () => parseProfileName(19)
  t.throws(number, new TypeError('a profile name is a string like 1g.5gb, 1c.3g.20gb or 1g.5gb+me, not number'))
  t.throws(() => parseProfileName('x'), LayoutError)
})

t.test('what cannot be written is refused', async t => {
  const code = 'INVALID_PROFILE_NAME'
  const base = { computeSlices: 1, slices: 1, memoryGb: 5, attributes: [] as string[] }
  t.throws(() => formatProfileName({ ...base, attributes: ['+me', '-gfx'] }), { code, message: /one sign, not \+me and -gfx/ })
  t.throws(() => formatProfileName({ ...base, attributes: ['me'] }), { code })
  t.throws(() => formatProfileName({ ...base, computeSlices: 2 }), { code, message: /2 compute slices do not fit into 1/ })
  t.throws(() => formatProfileName({ ...base, memoryGb: 4.5 }), { code })
})

// The worked examples that published listings of these boards allow: board memory, profile memory
// and the name printed beside it.
t.test('names worked out of the figures are those the driver prints', async t => {
  const cases: [gpuMemoryMiB: number, slices: number, memoryMiB: number, name: string][] = [
    [40536, 1, 4864, '1g.5gb'],
    [40960, 1, 4864, '1g.5gb'],
    [40960, 1, 9856, '1g.10gb'],
    [40960, 2, 9856, '2g.10gb'],
    [40960, 3, 19968, '3g.20gb'],
    [40960, 4, 19968, '4g.20gb'],
    [40960, 7, 40192, '7g.40gb'],
    [81920, 1, 9728, '1g.10gb'],
    [81251, 1, 9728, '1g.10gb'],
    [81920, 2, 19968, '2g.20gb'],
    [81920, 1, 19968, '1g.20gb'],
    [81920, 3, 40192, '3g.40gb'],
    [81251, 4, 40192, '4g.40gb'],
    [81920, 7, 80384, '7g.80gb'],
    [81559, 1, 9984, '1g.10gb'],
    [81559, 3, 40320, '3g.40gb'],
    [95830, 1, 11008, '1g.12gb'],
    [95830, 2, 22138, '2g.24gb'],
    [95830, 3, 47493, '3g.47gb'],
    [143771, 1, 16384, '1g.18gb'],
    [143771, 2, 33024, '2g.35gb'],
    [143771, 3, 71168, '3g.71gb'],
    [143771, 4, 71168, '4g.71gb'],
    [183359, 1, 20992, '1g.23gb'],
    [183359, 1, 22528, '1g.23gb'],
    [183359, 2, 45312, '2g.45gb'],
    [183359, 3, 91136, '3g.90gb'],
    [24576, 1, 5952, '1g.6gb'],
    [97887, 1, 23675, '1g.24gb']
  ]
  for (const [gpuMemoryMiB, slices, memoryMiB, name] of cases) {
    t.equal(profileName({ slot: slot('1_SLICE'), slices, memoryMiB, gpuMemoryMiB }), name, `${memoryMiB} of ${gpuMemoryMiB} MiB`)
  }
})

t.test('the slot gives the attribute', async t => {
  const cases: [string, string][] = [
    ['1_SLICE', ''],
    ['2_SLICE', ''],
    ['3_SLICE', ''],
    ['4_SLICE', ''],
    ['6_SLICE', ''],
    ['7_SLICE', ''],
    ['8_SLICE', ''],
    ['1_SLICE_REV1', '+me'],
    ['2_SLICE_REV1', '+me'],
    ['1_SLICE_REV2', ''],
    ['1_SLICE_GFX', '+gfx'],
    ['2_SLICE_GFX', '+gfx'],
    ['3_SLICE_GFX', '+gfx'],
    ['4_SLICE_GFX', '+gfx'],
    ['1_SLICE_NO_ME', '-me'],
    ['2_SLICE_NO_ME', '-me'],
    ['1_SLICE_ALL_ME', '+me.all'],
    ['2_SLICE_ALL_ME', '+me.all']
  ]
  t.equal(cases.length, slot('COUNT'), 'every slot is here')
  for (const [name, attribute] of cases) {
    const slices = Number(name[0])
    t.equal(profileName({ slot: slot(name), slices, memoryMiB: 4864, gpuMemoryMiB: 40960 }), `${slices}g.5gb${attribute}`, name)
  }
  t.equal(profileName({ slot: 99, slices: 1, memoryMiB: 4864, gpuMemoryMiB: 40960 }), '1g.5gb', 'a slot of next year')
})
