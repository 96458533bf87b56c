/** Tells what open() does where there is no driver. */
import { readdirSync, readFileSync } from 'node:fs'
import { open } from '../../../lib/index.js'

const threads = () => readdirSync('/proc/self/task').length
const children = () =>
  readdirSync('/proc/self/task').flatMap(task =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
  )

async function tryIt() {
  const threadsBefore = threads()
  try {
    await using session = await open()
    return { opened: session.info }
  } catch (error) {
    const { name, code, message, stack } = error as Error & { code: string }
    return { name, code, message, stack, threadsBefore, threadsAfter: threads(), children: children() }
  }
}

console.log(JSON.stringify(await tryIt()))
