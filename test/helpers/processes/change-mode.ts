/** Enables MIG on GPU 0 when it is told to: change-mode.ts LIBRARY. Says when it is ready, and what came of it. */
import { once } from 'node:events'
import { open } from '../../../lib/index.js'

const nvml = await open({ library: process.argv[2]! })
process.send!('ready')
await once(process, 'message')
process.send!(await nvml.gpu(0).setMigMode(true))
await nvml.close()
process.disconnect()
