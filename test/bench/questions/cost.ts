/** What a call costs: calls a second and CPU time of each process, for small and large bodies, Express and WebSocket. */
import { compare, showResults } from '../compare.ts'
import { DIRECT, FLOOR, GATEWAY, HTTP_PROXY, startPaths } from '../paths.ts'
import { startServer } from '../server.ts'
import { effort, type BenchContext } from './question.ts'

const KB = 1000
const gatewayGoal = { [GATEWAY]: '<= 1.30 x' }

/** An answer of 22 bytes, keep-alive: the call everything else is compared with. */
export async function small(context: BenchContext): Promise<void> {
  await using paths = await startPaths(context.functionsDir, 'small')
  await using bare = await startServer('bare.ts')
  for (const connections of [50, 1]) {
    const { rounds, seconds } = effort(context, 5, 2)
    const load = { connections, seconds }
    const results = await compare([{ name: 'bare node:http', url: `${bare.url}/`, functionPid: bare.pid }, ...paths.all], { load, rounds })
    context.print(showResults(`22-byte answer, ${connections} connections`, results, { floor: FLOOR, goals: gatewayGoal }))
    const [handler, direct] = results
    if (handler === undefined || direct === undefined) continue
    const ratio = direct.functionUs.median / handler.functionUs.median
    context.print(`runtime / bare node:http handler: ${ratio.toFixed(2)} x the CPU per call (goal <= 1.30 x)\n`)
  }
}

/** Bodies both ways: the function sends back what it gets. */
export async function bodies(context: BenchContext): Promise<void> {
  await using paths = await startPaths(context.functionsDir, 'echo')
  for (const bodyBytes of [KB, 100 * KB]) {
    const { rounds, seconds } = effort(context, 3, 2)
    const results = await compare(paths.all, { load: { connections: 50, seconds, bodyBytes }, rounds })
    context.print(showResults(`${bodyBytes / KB} KB there and back, 50 connections`, results, { floor: FLOOR }))
  }
}

export async function express(context: BenchContext): Promise<void> {
  await using paths = await startPaths(context.functionsDir, 'express')
  const { rounds, seconds } = effort(context, 3, 2)
  const results = await compare(paths.all, { load: { connections: 50, seconds }, rounds })
  context.print(showResults('Express function, 22-byte answer, 50 connections', results, { floor: FLOOR }))
}

/** The floor does not speak WebSocket: http-proxy is what the gateway is compared with. */
export async function websocket(context: BenchContext): Promise<void> {
  await using paths = await startPaths(context.functionsDir, 'socket')
  const all = [DIRECT, HTTP_PROXY, GATEWAY].flatMap((name) => paths.all.filter((path) => path.name === name))
  const { rounds, seconds } = effort(context, 3, 2)
  const results = await compare(all, { load: { connections: 50, seconds, bodyBytes: 22 }, rounds, program: 'load-websocket.ts' })
  context.print(showResults('WebSocket echo of 22 bytes, 50 connections (a call is a message there and back)', results, { floor: HTTP_PROXY }))
}

/** Latency at a fixed rate, from the planned time of each call: far from saturation, as a user meets it. */
export async function latency(context: BenchContext): Promise<void> {
  await using paths = await startPaths(context.functionsDir, 'small')
  for (const ratePerSecond of [1000, 2500]) {
    const { rounds, seconds } = effort(context, 5, 2)
    const results = await compare(paths.all, { load: { ratePerSecond, seconds }, rounds })
    context.print(showResults(`open loop, ${ratePerSecond} calls/s, 22-byte answer`, results, { floor: FLOOR }))
  }
}
