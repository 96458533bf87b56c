// A client process that enables MIG on GPU 0 of the node it is given when it is told to, with the built
// package. Says when it is ready.
import { once } from 'node:events'
import { open } from 'nvml-mig'

const nvml = await open({ library: process.argv[2] })
process.send('ready')
await once(process, 'message')
await nvml.gpu(0).setMigMode(true)
await nvml.close()
process.disconnect()
