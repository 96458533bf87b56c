/** Makes a node: make-node.ts MODEL DIRECTORY. Prints the node's directory, or the code of the error. */
import { SimulatorError, simulate } from '../../../lib/simulator/index.js'

const [model, dir] = process.argv.slice(2) as [string, string]
try {
  const node = await simulate({ gpus: [model], dir })
  console.log(node.dir)
} catch (error) {
  console.log(error instanceof SimulatorError ? error.code : error)
}
