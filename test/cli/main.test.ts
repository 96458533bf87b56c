/** The program itself, as a shell starts it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

t.test('a reader that stops reading does not stop the verb', async t => {
  const tmp = t.testdir()
  const child = spawn(process.execPath, [main, 'list', '--simulate', 'A30'], {
    env: { ...process.env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout.destroy()
  const [stderr, end] = await Promise.all([text(child.stderr), once(child, 'close')])
  t.same({ end, stderr }, { end: [0, null], stderr: '' })
  t.same(readdirSync(tmp), [], 'the node made for the run is gone')
})
