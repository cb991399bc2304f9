/** From zero: what a call costs that finds no process, against what Node needs by itself to start and serve. */
import { spawn } from 'node:child_process'
import { get } from 'node:http'
import { eventually } from '../../kit.ts'
import { startPlatform, type Platform } from '../platform.ts'
import { showSpread, showTable, spreadOf } from '../statistics.ts'
import type { BenchContext } from './question.ts'

const ROUNDS = 30
const QUICK_ROUNDS = 5
const ONE_LINE = "require('http').createServer((req, res) => res.end('twenty-two bytes, done')).listen(+process.argv[1], '127.0.0.1')"
/** Between tries to reach a process that is starting. */
const RETRY_MS = 1
const LIMIT_MS = 20_000

export async function cold(context: BenchContext): Promise<void> {
  await using platform = await startPlatform({ functionsDir: context.functionsDir })
  await platform.deploy({ service: 'small' })
  await platform.ready('small')
  const bare: number[] = []
  const call: number[] = []
  // In turn, so that both see the same machine.
  for (let round = 0; round < (context.isQuick ? QUICK_ROUNDS : ROUNDS); round++) {
    bare.push(await startBare(platform))
    call.push(await callAsleep(platform))
  }
  const ratios = call.map((ms, index) => ms / (bare[index] ?? NaN))
  context.print(showTable(`a call that finds no process, ms to the first byte, ${call.length} rounds`, ['', 'median (min-max)', 'goal'], [
    ['Node alone, a one-line server', showSpread(spreadOf(bare), 1), ''],
    ['cold call', showSpread(spreadOf(call), 1), ''],
    ['ratio', showSpread(spreadOf(ratios), 2), '<= 1.3'],
  ]))
}

async function startBare(platform: Platform): Promise<number> {
  const port = Number(new URL(platform.url).port) + 1
  const startMs = performance.now()
  const child = spawn(process.execPath, ['-e', ONE_LINE, String(port)], { stdio: 'ignore' })
  try {
    while (await firstByte(`http://127.0.0.1:${port}/`) !== 200) {
      if (performance.now() - startMs > LIMIT_MS) throw new Error('bare Node does not answer')
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    return performance.now() - startMs
  } finally {
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await closed
  }
}

async function callAsleep(platform: Platform): Promise<number> {
  await platform.scale('small', 0)
  await eventually('no process of it is left', () => platform.replicas('small').length === 0, LIMIT_MS)
  const startMs = performance.now()
  const status = await firstByte(`${platform.url}/function/small`)
  const ms = performance.now() - startMs
  if (status !== 200) throw new Error(`the cold call was answered with ${status}`)
  return ms
}

/** The status as soon as there is one; `undefined` when nobody listens. */
function firstByte(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', () => resolve(undefined))
  })
}
