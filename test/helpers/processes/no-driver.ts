/** Tells what open() does where there is no driver. */
import { readdirSync, readFileSync } from 'node:fs'
import { open } from '../../../lib/index.js'

const threads = () => readdirSync('/proc/self/task').length
const children = () =>
  readdirSync('/proc/self/task').flatMap(task =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
  )

const threadsBefore = threads()
open().then(
  async session => {
    await session.close()
    console.log(JSON.stringify({ opened: true }))
  },
  error => {
    const { name, code, message, stack } = error
    console.log(JSON.stringify({ name, code, message, stack, threadsBefore, threadsAfter: threads(), children: children() }))
  }
)
