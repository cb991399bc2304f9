/**
 * Asynchronous calls with a callback, sent to the real platform while it is killed at random moments. A call counts as
 * accepted when its 202 has come, and as executed when its callback has: through queue, function and queue again.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_ARGS, ROOT } from '../bench/platform.ts'
import { eventually } from '../kit.ts'

export type PlatformKillsPlan = {
  readonly functionsDir: string
  /** A bundle in it that answers at once. */
  readonly bundle: string
  readonly calls: number
  readonly kills: number
  /** Accepted calls between two kills, at most; how many is chance. */
  readonly mostBetween: number
  readonly drainTimeoutMs: number
}

export type PlatformKillsReport = {
  readonly accepted: number
  /** Accepted, and no callback ever came. */
  readonly lost: number
  /** Callbacks beyond the first one. */
  readonly duplicates: number
  /** Executed, though the caller was not told that it was accepted. */
  readonly unacknowledged: number
  readonly kills: number
}

const CALLERS = 20
const START_LIMIT_MS = 60_000
const PAUSE_MS = 20
const EMPTY_STACK = 'version: 1.0\nprovider:\n  name: openfaas\nfunctions: {}\n'

export async function platformKills(plan: PlatformKillsPlan): Promise<PlatformKillsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-kills-'))
  const callbacks = new Map<string, number>()
  const receiver = createServer((req, res) => {
    const callId = String(req.headers['x-call-id'])
    callbacks.set(callId, (callbacks.get(callId) ?? 0) + 1)
    req.resume().on('end', () => res.end())
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const [port, metricsPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const accepted = new Set<string>()
  let platform: ChildProcess | undefined
  let output = ''

  const start = async (): Promise<void> => {
    const child = spawn(process.execPath, [...NODE_ARGS, join(ROOT, 'dist/bramble.mjs'), 'start', '--skip-build'], {
      cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'], port: String(port), metrics_port: String(metricsPort), data_dir: join(folder, 'data'),
        functions_dir: plan.functionsDir, basic_auth: 'false', async_callback_hosts: host,
      },
    })
    const keep = (chunk: Buffer): void => { output = (output + chunk.toString()).slice(-10_000) }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    platform = child
    await eventually('the platform is up', async () => {
      if (child.exitCode !== null) throw new Error(`the platform ended with ${child.exitCode}:\n${output}`)
      return (await fetch(`${url}/healthz`).catch(() => undefined))?.ok
    }, START_LIMIT_MS)
  }
  const kill = async (): Promise<void> => {
    if (platform === undefined || platform.exitCode !== null || platform.signalCode !== null) return
    const closed = once(platform, 'exit')
    platform.kill('SIGKILL')
    await closed
  }

  try {
    await chmod(folder, 0o755)
    await writeFile(join(folder, 'stack.yml'), EMPTY_STACK)
    await start()
    const deployed = await fetch(`${url}/system/functions`, { method: 'POST', body: JSON.stringify({ service: plan.bundle, image: `soak/${plan.bundle}:1` }) })
    if (!deployed.ok) throw new Error(`${plan.bundle} cannot be deployed: ${deployed.status} ${await deployed.text()}`)

    let number = 0
    const callers = Promise.all(Array.from({ length: CALLERS }, async () => {
      while (accepted.size < plan.calls) {
        const callId = `call-${number++}`
        const answer = await fetch(`${url}/async-function/${plan.bundle}`, {
          method: 'POST', body: 'x'.repeat(1_000), headers: { 'x-call-id': callId, 'x-callback-url': `http://${host}/` },
        }).catch(() => undefined)
        await answer?.arrayBuffer().catch(() => undefined)
        if (answer?.status === 202) accepted.add(callId)
        else await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    }))
    let kills = 0
    while (kills < plan.kills && accepted.size < plan.calls) {
      const target = accepted.size + Math.ceil(Math.random() * plan.mostBetween)
      await eventually('calls are accepted', () => accepted.size >= Math.min(target, plan.calls), plan.drainTimeoutMs)
      await kill()
      await start()
      kills++
    }
    await callers
    await eventually('every callback has come', () => accepted.isSubsetOf(callbacks), plan.drainTimeoutMs).catch(() => undefined)
    return {
      accepted: accepted.size,
      lost: [...accepted].filter((callId) => !callbacks.has(callId)).length,
      duplicates: [...callbacks.values()].reduce((sum, times) => sum + times - 1, 0),
      unacknowledged: [...callbacks.keys()].filter((callId) => !accepted.has(callId)).length,
      kills,
    }
  } finally {
    // In peace, so that its functions end with it.
    if (platform !== undefined && platform.exitCode === null && platform.signalCode === null) {
      const closed = once(platform, 'exit')
      platform.kill('SIGTERM')
      await closed
    }
    receiver.close()
    receiver.closeAllConnections()
    await rm(folder, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
