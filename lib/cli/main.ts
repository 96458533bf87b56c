#!/usr/bin/env node
import { run } from './run.js'

// The code is set, not forced: what was written still has to reach a pipe.
void run(process.argv.slice(2), process).then(code => {
  process.exitCode = code
})
