import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { type DrawLayoutOptions, type DrawnInstance, drawLayout } from '../../lib/layout/index.js'

/** An instance whose one compute instance fills it. */
const full = (id: number, profile: string, start: number, size: number): DrawnInstance => ({
  id,
  profile,
  start,
  size,
  computeInstances: [{ id: 0, profile }]
})

/** Compares with a drawing written down as it should look. */
function looks(t: Test, options: DrawLayoutOptions, expected: string): void {
  t.same(drawLayout(options).split('\n'), expected.replace(/^\n|\n *$/g, '').split('\n'))
}

t.test('8 slices: the A100 with a 3g.20gb, four 1g.5gb and nothing else', async t => {
  looks(
    t,
    {
      memorySlices: 8,
      instances: [full(1, '3g.20gb', 4, 4), ...[11, 12, 13].map((id, start) => full(id, '1g.5gb', start, 1))]
    },
    `
    0        1        2        3        4        5        6        7
┌────────┬────────┬────────┬╌╌╌╌╌╌╌╌┬───────────────────────────────────┐
│ 1g.5gb │ 1g.5gb │ 1g.5gb │        │ 3g.20gb                           │
│ GI 11  │ GI 12  │ GI 13  │  free  │ GI 1                              │
│ CI 0   │ CI 0   │ CI 0   │        │ CI 0                              │
└────────┴────────┴────────┴╌╌╌╌╌╌╌╌┴───────────────────────────────────┘
`
  )
})

t.test('8 slices, empty: what is memory only says so', async t => {
  looks(
    t,
    { memorySlices: 8, memoryOnly: [7], instances: [] },
    `
    0        1        2        3        4        5        6        7
┌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┐
│  free  │  free  │  free  │  free  │  free  │  free  │  free  │ memory │
└╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┘
Slice 7 is memory only: it can be part of a larger instance, not one of its own.
`
  )
  t.notMatch(
    drawLayout({ memorySlices: 8, memoryOnly: [7], instances: [full(0, '7g.40gb', 0, 8)] }),
    'memory',
    'unless it is owned'
  )
})

t.test('names too long for a slice break before the attribute, and like stays beside like', async t => {
  looks(
    t,
    {
      memorySlices: 8,
      memoryOnly: [7],
      instances: [
        full(9, '1g.10gb+me', 2, 1),
        { ...full(10, '1g.10gb', 3, 1), computeInstances: [] },
        {
          ...full(2, '3g.40gb', 4, 4),
          computeInstances: [
            { id: 0, profile: '1c.3g.40gb' },
            { id: 1, profile: 'MIG 2c.3g.40gb' }
          ]
        }
      ]
    },
    `
    0        1        2        3        4        5        6        7
┌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬────────┬────────┬───────────────────────────────────┐
│        │        │ 1g.10gb│ 1g.10gb│ 3g.40gb                           │
│  free  │  free  │ +me    │        │                                   │
│        │        │ GI 9   │ GI 10  │ GI 2                              │
│        │        │ CI 0   │ no CI  │ CI 0 1c  CI 1 2c                  │
└╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌┴────────┴────────┴───────────────────────────────────┘
`
  )
})

t.test('4 slices: the A30', async t => {
  looks(
    t,
    { memorySlices: 4, instances: [full(1, '2g.12gb+me', 0, 2), { ...full(5, '1g.6gb', 2, 1), computeInstances: null }] },
    `
         0                  1                  2                  3
┌─────────────────────────────────────┬──────────────────┬╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐
│ 2g.12gb+me                          │ 1g.6gb           │                  │
│ GI 1                                │ GI 5             │       free       │
│ CI 0                                │ CI ?             │                  │
└─────────────────────────────────────┴──────────────────┴╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┘
`
  )
})

t.test('12 slices: the RTX PRO 6000', async t => {
  looks(
    t,
    { memorySlices: 12, instances: [full(2, '2g.48gb', 6, 6), full(3, '1g.24gb+me.all', 0, 3)] },
    `
   0     1     2     3     4     5     6     7     8     9    10    11
┌─────────────────┬╌╌╌╌╌┬╌╌╌╌╌┬╌╌╌╌╌┬───────────────────────────────────┐
│ 1g.24gb+me.all  │     │     │     │ 2g.48gb                           │
│ GI 3            │free │free │free │ GI 2                              │
│ CI 0            │     │     │     │ CI 0                              │
└─────────────────┴╌╌╌╌╌┴╌╌╌╌╌┴╌╌╌╌╌┴───────────────────────────────────┘
`
  )
})

t.test('where labels do not fit side by side, a line per slice', async t => {
  looks(
    t,
    { memorySlices: 8, memoryOnly: [7], width: 40, instances: [full(9, '1g.5gb', 2, 1), full(5, '2g.10gb', 4, 2)] },
    `
0 ╌ free
1 ╌ free
2 ─ 1g.5gb  GI 9  CI 0
3 ╌ free
4 ┐ 2g.10gb  GI 5  CI 0
5 ┘
6 ╌ free
7 ╌ memory
Slice 7 is memory only: it can be part of a larger instance, not one of its own.
`
  )
  looks(
    t,
    { memorySlices: 12, width: 30, instances: [full(1, '2g.48gb', 0, 6), full(5, '1g.24gb', 6, 3)] },
    `
 0 ┐ 2g.48gb  GI 1  CI 0
 1 │
 2 │
 3 │
 4 │
 5 ┘
 6 ┐ 1g.24gb  GI 5  CI 0
 7 │
 8 ┘
 9 ╌ free
10 ╌ free
11 ╌ free
`
  )
})

t.test('no line is wider than asked for', async t => {
  const tooWide: string[] = []
  for (const memorySlices of [4, 8, 12]) {
    for (let width = 24; width <= 200; width++) {
      const drawing = drawLayout({ memorySlices, width, instances: [full(3, '1g.5gb', 1, 1)] })
      const widest = Math.max(...drawing.split('\n').map(line => line.length))
      if (widest > width || widest > 80) tooWide.push(`${widest} columns at ${memorySlices} slices and width ${width}`)
    }
  }
  t.same(tooWide, [])
})

t.test('colours add nothing but colour', async t => {
  const options = { memorySlices: 8, memoryOnly: [7], instances: [full(3, '2g.10gb', 0, 2), full(9, '1g.5gb', 2, 1)] }
  for (const width of [80, 40]) {
    const colored = drawLayout({ ...options, width, color: true })
    t.equal(stripVTControlCharacters(colored), drawLayout({ ...options, width }))
    t.not(colored, stripVTControlCharacters(colored))
  }
})

t.test('what cannot be drawn', async t => {
  const draw =
    (...instances: DrawnInstance[]) =>
    () =>
      drawLayout({ memorySlices: 8, instances })
  t.throws(
    draw(full(1, '3g.20gb', 6, 4)),
    new RangeError('GPU instance 1 takes 4 slices from 6, but the board has slices 0 to 7')
  )
  t.throws(
    draw(full(1, '3g.20gb', 0, 4), full(4, '2g.10gb', 2, 2)),
    new RangeError('GPU instances 1 and 4 both own memory slice 2')
  )
  t.throws(draw(full(1, '1g.5gb', 0.5, 1)), RangeError)
  t.throws(draw(full(1, '1g.5gb', 0, 0)), RangeError)
})
