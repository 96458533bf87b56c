/** What `simulate` is asked for: every wrong option has a sentence, and nothing is made. */
import t from 'tap'
import { differences, planNode, readRequest, type SimulateOptions } from '../../lib/simulator/request.js'

t.test('a request written out', async t => {
  t.same(readRequest({ gpus: ['a30*2', { model: 'H100-SXM5-80GB', giNumbering: 'swapped' }], driver: '535' }), {
    driver: '535.274.02',
    platform: 'bare-metal',
    privileged: true,
    gpus: [
      { model: 'A30', giNumbering: 'straight' },
      { model: 'A30', giNumbering: 'straight' },
      { model: 'H100-SXM5-80GB', giNumbering: 'swapped' }
    ]
  })
  t.match(readRequest({ gpus: [{ model: 'A30 * 3', giNumbering: 'swapped' }] }), {
    driver: '550.163.01',
    gpus: Array(3).fill({ model: 'A30', giNumbering: 'swapped' })
  })
})

t.test('wrong options', async t => {
  const cases: [options: unknown, name: string, message: string | RegExp][] = [
    [undefined, 'TypeError', 'simulate: options are an object like { gpus: … }, not undefined'],
    [{}, 'TypeError', "simulate: gpus is a list such as ['A100-SXM4-40GB'], not undefined"],
    [{ gpus: 'A30' }, 'TypeError', "simulate: gpus is a list such as ['A100-SXM4-40GB'], not 'A30'"],
    [{ gpus: [] }, 'RangeError', 'simulate: a node has 1 to 16 GPUs, not 0'],
    [{ gpus: ['A30*9', 'A30*8'] }, 'RangeError', 'simulate: a node has 1 to 16 GPUs, not 17'],
    [{ gpus: ['A30*0'] }, 'RangeError', 'simulate: gpus[0] asks for 0 GPUs; a node has 1 to 16'],
    [{ gpus: ['A30*1000000000'] }, 'RangeError', /asks for 1000000000 GPUs/],
    [{ gpus: ['A30', 7] }, 'TypeError', 'simulate: gpus[1]: options are an object like { model: … }, not 7'],
    [{ gpus: [{}] }, 'TypeError', "simulate: gpus[0] is a model such as 'A100-SXM4-40GB', not undefined"],
    [
      { gpus: [{ model: 'A30', count: 2 }] },
      'TypeError',
      "simulate: gpus[0] has no option 'count'; it has 'model', 'giNumbering', 'variant', 'board' and 'readings'"
    ],
    [
      { gpus: [{ model: 'A30', giNumbering: 'reversed' }] },
      'RangeError',
      "simulate: giNumbering of gpus[0] is 'straight' or 'swapped', not 'reversed'"
    ],
    [{ gpus: ['A31'] }, 'RangeError', /^there is no board 'A31'; did you mean A30\?/],
    [{ gpus: [''] }, 'RangeError', /^there is no board ''\. The simulator has /],
    [{ gpus: ['A30'], driver: 550 }, 'TypeError', "simulate: driver is a string such as '550', not 550"],
    [{ gpus: ['A30'], driver: '440' }, 'RangeError', 'driver 440 has no MIG: the first branch with it is 450'],
    [{ gpus: ['A30'], platform: 'vm' }, 'RangeError', "simulate: platform is 'bare-metal' or 'passthrough', not 'vm'"],
    [{ gpus: ['A30'], privileged: 'no' }, 'TypeError', "simulate: privileged is true or false, not 'no'"],
    [{ gpus: ['A30'], drivr: '550' }, 'TypeError', "simulate has no option 'drivr'; did you mean 'driver'?"]
  ]
  for (const [options, name, message] of cases) t.throws(() => readRequest(options as SimulateOptions), { name, message })
  t.throws(() => planNode(readRequest({ gpus: ['A30', 'H100-SXM5-80GB'], driver: '510' })), {
    name: 'RangeError',
    message: 'H100-SXM5-80GB needs driver 525.53 or later: 510.47.03 does not know it'
  })
})

t.test('types refuse what run time refuses', async t => {
  // What is made of models and what of a snapshot is for run time to say.
  t.throws(() => readRequest({}))
  // @ts-expect-error no such numbering
  t.throws(() => readRequest({ gpus: [{ model: 'A30', giNumbering: 'reversed' }] }))
})

t.test('differences', async t => {
  const request = readRequest({ gpus: ['A30'] })
  t.same(differences(request, readRequest({ gpus: ['a30'], driver: '550.163.01' })), [])
  t.same(
    differences(request, readRequest({ gpus: [{ model: 'A30', giNumbering: 'swapped' }], driver: '535', privileged: false })),
    ['GPUs A30 (swapped), not A30', 'driver 535.274.02, not 550.163.01', 'privileged false, not true']
  )
})
