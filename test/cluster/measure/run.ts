/**
 * `npm run bench:cluster [-- NAME…]`: what functions and the platform hold and take on a real Kubernetes of imitated
 * Pis (docs/performance.md, "On a cluster"). Needs what the cluster suite needs. Nothing passes or fails by a figure.
 */
import { availableParallelism } from 'node:os'
import { coldStart } from './cold-start.ts'
import { fullWorker } from './full-worker.ts'
import { manyFunctions } from './many-functions.ts'
import type { Measure } from './measure.ts'
import { podMemory } from './pod-memory.ts'
import { serviceMemory } from './service-memory.ts'

const measures: Readonly<Record<string, Measure>> = {
  'pod-memory': podMemory, 'full-worker': fullWorker, 'cold-start': coldStart, 'many-functions': manyFunctions, 'service-memory': serviceMemory,
}
const names = process.argv.slice(2)
for (const name of names) {
  if (measures[name] === undefined) throw new Error(`no measure is called ${name}; there are ${Object.keys(measures).join(', ')}`)
}
console.log(`Node ${process.version} on ${availableParallelism()} cores`)
for (const name of names.length > 0 ? names : Object.keys(measures)) await measures[name]?.((text) => { process.stdout.write(text) })
