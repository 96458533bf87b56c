// Has a session on a node, and so NVML initialised, until its standard input ends: hold.mjs LIBRARY
import { open } from 'nvml-mig'

const nvml = await open({ library: process.argv[2] })
console.log('open')
process.stdin.resume()
process.stdin.on('end', () => nvml.close())
