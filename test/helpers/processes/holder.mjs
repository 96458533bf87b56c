// A process that has NVML initialised on the node it is given, as a monitoring agent does, until its
// input ends or it is killed. Says when it is ready; then answers each line of input with the number of
// GPU instances on GPU 0, or the code that NVML gives.
import { createInterface } from 'node:readline'
import { open } from 'nvml-mig'

const [library, root] = process.argv.slice(2)
const nvml = await open({ library, root }).catch(error => {
  console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint }))
  process.exit(3)
})
console.log(JSON.stringify({ driver: nvml.info.driverVersion }))
for await (const _ of createInterface({ input: process.stdin })) {
  const answer = await nvml
    .gpu(0)
    .instances()
    .then(
      list => ({ instances: list.length }),
      ({ code }) => ({ code })
    )
  console.log(JSON.stringify(answer))
}
await nvml.close()
