/** Driver releases: version strings, what their NVML knows, and the names their library exports. */
import t from 'tap'
import { exportedNames } from '../../lib/simulator/data.js'
import { exportedBy, findRelease, isOlder } from '../../lib/simulator/releases.js'

t.test('a branch or a full version', async t => {
  t.same(findRelease('550'), {
    branch: 550,
    version: '550.163.01',
    nvmlVersion: '12.550.163.01',
    cudaDriverVersion: 12040,
    gpuInstanceProfileSlots: 10,
    computeInstanceProfileSlots: 8
  })
  t.match(findRelease('515.86.01'), { branch: 515, version: '515.86.01', nvmlVersion: '11.515.86.01', cudaDriverVersion: 11070 })
  // Profile slots of header 11.0, 11.2, 11.4 and 13.3: 5 and 5, 7 and 7, 8 and 7, 18 and 9.
  t.match(findRelease('450'), { cudaDriverVersion: 11000, gpuInstanceProfileSlots: 5, computeInstanceProfileSlots: 5 })
  t.match(findRelease('460'), { gpuInstanceProfileSlots: 7, computeInstanceProfileSlots: 7 })
  t.match(findRelease('470'), { gpuInstanceProfileSlots: 8, computeInstanceProfileSlots: 7 })
  t.match(findRelease('610'), { cudaDriverVersion: 13030, gpuInstanceProfileSlots: 18, computeInstanceProfileSlots: 9 })
  t.match(findRelease('560'), { version: '560', nvmlVersion: '12.560' }, 'no full version of R560 is recorded')
  t.match(findRelease('565'), { branch: 565, cudaDriverVersion: 12060 }, 'a branch without a header of its own')
})

t.test('what is no release', async t => {
  t.throws(() => findRelease('418'), new RangeError('driver 418 has no MIG: the first branch with it is 450'))
  t.throws(() => findRelease('700'), {
    name: 'RangeError',
    message: 'driver 700 is newer than the simulator knows: its branches are 450 to 610'
  })
  for (const wrong of ['', 'R550', '55', '550.', '550.1.2.3', 'latest']) {
    t.throws(() => findRelease(wrong), {
      name: 'RangeError',
      message: `'${wrong}' is no driver release: give a branch such as '550' or a version such as '515.86.01'`
    })
  }
})

t.test('versions compare by number', async t => {
  t.ok(isOlder('450.51.05', '450.80.02'))
  t.ok(isOlder('535.98', '535.104'))
  t.notOk(isOlder('535.104.05', '535.104'))
  t.notOk(isOlder('550.54.14', '535.274.02'))
  t.notOk(isOlder('560', '560.28.03'), 'a branch stands for its newest')
})

t.test('exported names', async t => {
  const names = (driver: string) => exportedBy(findRelease(driver))
  // Counted in the symbol tables of the released libraries.
  const counts: Record<string, number> = {
    '450.248.02': 242,
    '460.106.00': 246,
    '470.256.02': 255,
    '525.147.05': 312,
    '535.274.02': 332,
    '550.163.01': 350
  }
  t.same(Object.keys(counts), exportedNames.releases)
  for (const [driver, count] of Object.entries(counts)) t.equal(names(driver).size, count, driver)

  // First release, from Debian's symbols file for the library.
  const first: [name: string, before: string, from: string][] = [
    ['nvmlDeviceGetGpuInstanceProfileInfoV', '495', '510'],
    ['nvmlDeviceGetMemoryInfo_v2', '470', '510'],
    ['nvmlDeviceGetGpuInstancePossiblePlacements_v2', '460', '470'],
    ['nvmlDeviceCreateGpuInstanceWithPlacement', '455', '460.32.03'],
    ['nvmlGpuInstanceCreateComputeInstanceWithPlacement', '520', '525'],
    ['nvmlDeviceGetRunningProcessDetailList', '535.98', '535.104.05'],
    ['nvmlDeviceGetGpuInstanceProfileInfoByIdV', '575', '580']
  ]
  for (const [name, before, from] of first) {
    t.notOk(names(before).has(name), `${name} is not in ${before}`)
    t.ok(names(from).has(name), `${name} is in ${from}`)
  }
  t.ok(names('525').has('nvmlDeviceCcuGetStreamState'))
  t.notOk(names('535').has('nvmlDeviceCcuGetStreamState'), 'gone by 535')
  t.same(names('550.54.14'), names('550'), 'the symbol table read for a branch stands for it')
})
