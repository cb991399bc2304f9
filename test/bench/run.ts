/**
 * `npm run bench [-- [--quick] NAME…]`: answers the questions of docs/performance.md on this machine, one table each.
 * Nothing passes or fails by a time. All processes share the machine's cores: trust the CPU time per call first.
 */
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { buildFunctions } from './build-functions.ts'
import { cache } from './questions/cache.ts'
import { cold } from './questions/cold.ts'
import { bodies, express, latency, small, websocket } from './questions/cost.ts'
import { data } from './questions/data.ts'
import { deploy, many } from './questions/deploys.ts'
import { files } from './questions/files.ts'
import { images } from './questions/images.ts'
import { loadStep } from './questions/load-step.ts'
import { memory, transfer } from './questions/memory.ts'
import { monitor } from './questions/monitor.ts'
import { nodeVersions } from './questions/node-versions.ts'
import { queue } from './questions/queue.ts'
import { scheduler } from './questions/scheduler.ts'
import type { Question } from './questions/question.ts'

const questions: Readonly<Record<string, Question>> = { small, bodies, express, websocket, latency, memory, transfer, deploy, many, cold }
/** Only when named. */
const extra: Readonly<Record<string, Question>> = { 'node-versions': nodeVersions, queue, 'load-step': loadStep, images, cache, data, files, scheduler, monitor }

if (process.platform !== 'linux') throw new Error('the bench reads /proc, so it runs on Linux only')
const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean', default: false } } })
const all = { ...questions, ...extra }
for (const name of positionals) {
  if (all[name] === undefined) throw new Error(`no question is called ${name}; there are ${Object.keys(all).join(', ')}`)
}
const startMs = Date.now()
console.log(`Node ${process.version} on ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown processor'}`)
await using functions = await buildFunctions()
const context = { functionsDir: functions.folder, isQuick: values.quick, print: (text: string) => { process.stdout.write(text) } }
for (const name of positionals.length > 0 ? positionals : Object.keys(questions)) await all[name]?.(context)
console.log(`\ntook ${((Date.now() - startMs) / 1000).toFixed(0)} s`)
