#!/usr/bin/env node
import { run } from './run.js'

// A reader that has seen enough, such as head, must not stop a verb half way: what it began is
// carried to its end, and what it made for itself is removed.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

// The code is set, not forced: what was written still has to reach a pipe.
void run(process.argv.slice(2), process).then(code => {
  process.exitCode = code
})
