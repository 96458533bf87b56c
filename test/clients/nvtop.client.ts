/** nvtop in a terminal: tmux draws what it writes, and says after each piece that there is more to see. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { simulate } from '../../lib/simulator/index.js'
import { isHere, output } from './clients.js'

/** A screen that shows it all takes a second. */
const DEADLINE = 30_000

const version = await output('nvtop', ['--version'], {})
const tmux = await output('tmux', ['-V'], {})

if (isHere(t, 'nvtop', version) && isHere(t, 'tmux, a terminal for nvtop,', tmux)) {
  t.test('nvtop shows both GPUs and what they report, and ends when told to', async t => {
    const node = await simulate({ gpus: ['A100-SXM4-40GB', 'H100-SXM5-80GB'], driver: '550' })
    t.teardown(() => node.close())
    const folder = await mkdtemp(join(tmpdir(), 'nvml-mig-nvtop-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))

    const env = { ...process.env, TMUX_TMPDIR: folder, TMUX: '', LD_LIBRARY_PATH: node.dir, TERM: 'xterm' }
    const status = join(folder, 'status')
    const command = `nvtop --config-file '${folder}/config'; echo $? >'${status}'`
    const terminal = spawn('tmux', ['-u', '-f', '/dev/null', '-C', 'new-session', '-x', '140', '-y', '50', command], {
      env,
      stdio: ['pipe', 'pipe', 'inherit']
    })
    const late = setTimeout(() => void output('tmux', ['kill-server'], env), DEADLINE)
    t.teardown(() => clearTimeout(late))

    // Names and memory of one each, readings of both.
    const wanted: [RegExp, number][] = [
      [/\[NVIDIA A100-SXM4-40GB\]/g, 1],
      [/\[NVIDIA H100 80GB HBM3\]/g, 1],
      [/ 0\.\d+Gi\/40\.000Gi\]/g, 1],
      [/ 0\.\d+Gi\/79\.647Gi\]/g, 1],
      [/ GPU \d+MHz +MEM \d+MHz +TEMP +\d+°C /g, 2],
      [/ POW +\d+ \/ \d+ W/g, 2],
      [/ GEN \d@\d+x /g, 2]
    ]
    let screen = ''
    const shows = ([text, times]: [RegExp, number]) => screen.match(text)?.length === times
    let quit = false
    for await (const line of createInterface({ input: terminal.stdout })) {
      if (quit || !line.startsWith('%output')) continue
      screen = (await output('tmux', ['capture-pane', '-p'], env)) ?? screen
      if (!wanted.every(shows)) continue
      quit = true
      await output('tmux', ['send-keys', 'q'], env)
    }
    for (const one of wanted) t.ok(shows(one), `${one[0]}`, { screen: screen.split('\n') })
    t.equal(await readFile(status, 'utf8').catch(() => 'it did not end'), '0\n', 'it ends well')
  })
}
