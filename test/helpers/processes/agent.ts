/** A process with a session on a node: agent.ts LIBRARY ROOT. Does what each line of its input says, and answers with one line of JSON. */
import { createInterface } from 'node:readline'
import { NvmlError, open, type Session } from '../../../lib/index.js'

const [library, root] = process.argv.slice(2) as [string, string]
let nvml: Session | undefined

const deeds: Record<string, () => Promise<unknown>> = {
  open: async () => {
    nvml = await open({ library, root })
    return nvml.info
  },
  look: async () => {
    const gpus = nvml!.gpus.map(async gpu => ({
      uuid: gpu.uuid,
      mig: (await gpu.migMode()).current,
      profiles: (await gpu.profiles()).length,
      devices: (await gpu.devices()).map(device => device.uuid)
    }))
    return Promise.all(gpus)
  },
  create: async () => (await nvml!.gpu(0).create('1g.5gb')).uuid,
  close: async () => nvml!.close()
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await deeds[line]!().catch(error => {
    if (!(error instanceof NvmlError)) throw error
    return { code: error.code, call: error.call, hint: error.hint }
  })
  console.log(JSON.stringify(answer ?? null))
}
