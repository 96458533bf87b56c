/** What callers pass wrongly gets a sentence. */
import t from 'tap'
import { checkOptions, flag, optionalText, shown, wholeNumber } from '../lib/arguments.js'
import { closest, series } from '../lib/layout/suggest.js'

t.test('options', async t => {
  checkOptions('open', {}, ['library', 'root'])
  checkOptions('open', { library: 'x', root: undefined }, ['library', 'root'])
  t.throws(
    () => checkOptions('open', { libary: 'x' }, ['library', 'root']),
    new TypeError("open has no option 'libary'; did you mean 'library'?")
  )
  t.throws(
    () => checkOptions('open', { colour: 1 }, ['library', 'root']),
    new TypeError("open has no option 'colour'; it has 'library' and 'root'")
  )
  for (const wrong of [null, 4, 'x', ['library']]) {
    t.throws(() => checkOptions('open', wrong, ['library']), {
      name: 'TypeError',
      message: /^open: options are an object like \{ library: … \}, not /
    })
  }
})

t.test('numbers', async t => {
  t.equal(wholeNumber('start', 0), 0)
  t.equal(wholeNumber('start', 12), 12)
  t.throws(() => wholeNumber('start', '4'), new TypeError("start is a number, not '4'"))
  t.throws(() => wholeNumber('start', 4n), new TypeError('start is a number, not 4n'))
  t.throws(() => wholeNumber('start', null), new TypeError('start is a number, not null'))
  for (const wrong of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => wholeNumber('start', wrong), new RangeError(`start is a whole number from 0 on, not ${wrong}`))
  }
  t.throws(() => wholeNumber('start', 0xffffffff), new RangeError('start is at most 4294967294, not 4294967295'))
  t.equal(wholeNumber('nth', 1, 1), 1)
  for (const wrong of [0, -1, 1.5]) {
    t.throws(() => wholeNumber('nth', wrong, 1), new RangeError(`nth is a whole number from 1 on, not ${wrong}`))
  }
})

t.test('flags and texts', async t => {
  t.equal(flag('force', undefined), false)
  t.equal(flag('force', true), true)
  t.throws(() => flag('force', 1), new TypeError('force is true or false, not 1'))
  t.equal(optionalText('root', undefined), undefined)
  t.equal(optionalText('root', '/x'), '/x')
  t.throws(() => optionalText('root', 4), new TypeError('root is a string, not 4'))
  t.throws(() => optionalText('root', ''), { name: 'RangeError', message: /root is empty/ })
  t.throws(() => optionalText('root', 'a\0b'), { name: 'RangeError', message: /NUL/ })
})

t.test('values stand short in a sentence', async t => {
  t.equal(shown({ a: { b: 1 } }), '{ a: [Object] }')
  t.ok(shown('x'.repeat(1000)).length < 200)
})

t.test('the nearest names', async t => {
  const a100 = ['1g.5gb', '1g.5gb+me', '1g.10gb', '2g.10gb', '3g.20gb', '4g.20gb', '7g.40gb']
  t.strictSame(closest('1g.5g', a100), ['1g.5gb'])
  t.strictSame(closest('3g.40gb', a100), ['3g.20gb', '7g.40gb'])
  t.strictSame(closest('1G.5GB', a100), ['1g.5gb'])
  t.strictSame(closest('everything', a100), [])
  t.strictSame(closest('a100', ['A30', 'A100-PCIE', 'A100-SXM4']), ['A100-PCIE', 'A100-SXM4'], 'the first part of a name')
  t.strictSame(closest('x', []), [])
})

t.test('series', async t => {
  t.equal(series([]), '')
  t.equal(series([1]), '1')
  t.equal(series([0, 4]), '0 and 4')
  t.equal(series(['a', 'b', 'c'], 'or'), 'a, b or c')
})
