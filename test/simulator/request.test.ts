/** What `simulate` is asked for: every wrong option has a sentence, and nothing is made. */
import t from 'tap'
import { differences, type GpuRequest, planNode, readRequest, type SimulateOptions } from '../../lib/simulator/request.js'

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
      "simulate: gpus[0] has no option 'count'; it has 'model', 'giNumbering', 'variant', 'board', 'readings', 'mig' and 'instances'"
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
    [
      { gpus: ['A30'], platform: 'vm' },
      'RangeError',
      "simulate: platform is 'bare-metal', 'passthrough' or 'vgpu-guest', not 'vm'"
    ],
    [{ gpus: ['A30'], privileged: 'no' }, 'TypeError', "simulate: privileged is true or false, not 'no'"],
    [{ gpus: ['A30'], countProcesses: 1 }, 'TypeError', 'simulate: countProcesses is true or false, not 1'],
    [
      { gpus: ['A30'], privileged: false, capabilities: 'mig/config' },
      'TypeError',
      "simulate: capabilities is a list such as ['mig/config'], not 'mig/config'"
    ],
    [
      { gpus: ['A30'], privileged: false, capabilities: ['config'] },
      'RangeError',
      "simulate: a capability is 'mig/config' or 'mig/monitor', not 'config'"
    ],
    [
      { gpus: ['A30'], capabilities: ['mig/monitor'] },
      'RangeError',
      "simulate: root holds every capability; who holds only 'mig/monitor' is not privileged"
    ],
    [{ gpus: [{ model: 'A30', mig: 'on' }] }, 'TypeError', "simulate: gpus[0].mig is true or false, not 'on'"],
    [
      { gpus: [{ model: 'A30', instances: '1g.6gb' }] },
      'TypeError',
      "simulate: gpus[0].instances is a list such as ['3g.20gb'], not '1g.6gb'"
    ],
    [
      { gpus: [{ model: 'A30', mig: false, instances: ['1g.6gb'] }] },
      'RangeError',
      'simulate: gpus[0] has instances, so mig cannot be false'
    ],
    [
      { gpus: [{ model: 'A30', instances: [7] }] },
      'TypeError',
      'simulate: gpus[0].instances[0]: options are an object like { profile: … }, not 7'
    ],
    [
      { gpus: [{ model: 'A30', instances: [{ start: 1 }] }] },
      'TypeError',
      "simulate: gpus[0].instances[0]: profile is a name such as '3g.20gb', not undefined"
    ],
    [
      { gpus: [{ model: 'A30', instances: [{ profile: '1g.6gb', start: -1 }] }] },
      'RangeError',
      'simulate: gpus[0].instances[0]: start is a whole number from 0 on, not -1'
    ],
    [
      { gpus: [{ model: 'A30', instances: [{ profile: '1g.6gb', computeInstances: [{ profile: '1g.6gb', id: 1 }] }] }] },
      'TypeError',
      "simulate: gpus[0].instances[0].computeInstances[0] has no option 'id'; it has 'profile' and 'start'"
    ],
    [{ gpus: ['A30'], drivr: '550' }, 'TypeError', "simulate has no option 'drivr'; did you mean 'driver'?"]
  ]
  for (const [options, name, message] of cases) t.throws(() => readRequest(options as SimulateOptions), { name, message })
  t.throws(() => planNode(readRequest({ gpus: ['A30', 'H100-SXM5-80GB'], driver: '510' })), {
    name: 'RangeError',
    message: 'H100-SXM5-80GB needs driver 525.53 or later: 510.47.03 does not know it'
  })
})

t.test('instances from the start, written out', async t => {
  t.match(
    readRequest({
      gpus: [
        { model: 'A30', mig: true },
        { model: 'A30', instances: ['MIG 2g.12gb', { start: 2, profile: '1g.6gb', computeInstances: [] }] },
        {
          model: 'A30',
          instances: [{ profile: '2g.12gb', computeInstances: ['1c.2g.12gb', { profile: '1c.2g.12gb', start: 0 }] }]
        },
        { model: 'A30', mig: false, instances: [] }
      ]
    }).gpus,
    [
      { mig: true, instances: undefined },
      { mig: true, instances: [{ profile: '2g.12gb' }, { profile: '1g.6gb', start: 2, computeInstances: [] }] },
      {
        mig: true,
        instances: [{ profile: '2g.12gb', computeInstances: [{ profile: '1c.2g.12gb' }, { profile: '1c.2g.12gb', start: 0 }] }]
      },
      { mig: undefined, instances: undefined }
    ]
  )
  const plan = (...instances: GpuRequest['instances'] & {}) => planNode(readRequest({ gpus: [{ model: 'A30', instances }] }))
  t.throws(() => plan('2g.12gb', '2g.10gb'), {
    name: 'RangeError',
    message: "simulate: instance 1 of GPU 0: A30 has no profile '2g.10gb'; did you mean 2g.12gb?"
  })
  t.throws(() => plan({ profile: '2g.12gb', computeInstances: ['4c.2g.12gb'] }), {
    name: 'RangeError',
    message: "simulate: instance 0 of GPU 0: 2g.12gb has no profile '4c.2g.12gb'; did you mean 1c.2g.12gb?"
  })
  t.throws(() => plan('half'), { message: /A30 has no profile 'half'; it has 1g\.6gb, .* and 4g\.24gb$/ })
  // The whole of a +me instance goes by either name; NVML's leaves the +me out.
  for (const name of ['1g.6gb', '1g.6gb+me']) {
    const [gpu] = plan({ profile: '1g.6gb+me', computeInstances: [name] }).gpus
    t.same(gpu?.layout?.instances, [{ profile: 21, computeInstances: [{ profile: 0 }] }], name)
  }
})

t.test('types refuse what run time refuses', async t => {
  // @ts-expect-error gpus is required
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
  const [gpu] = [{ model: 'A30', mig: true }]
  t.same(
    differences(request, readRequest({ gpus: [gpu!], privileged: false, capabilities: ['mig/monitor'], countProcesses: false })),
    [
      'privileged false, not true',
      'capabilities mig/monitor, not none',
      'countProcesses false, not true',
      'instances from the start of its own, not these'
    ]
  )
  const put = (start: number) => readRequest({ gpus: [{ model: 'A30', instances: [{ profile: '1g.6gb', start }] }] })
  t.same(differences(put(1), put(1)), [])
  t.same(differences(put(1), put(2)), ['instances from the start of its own, not these'])
})
