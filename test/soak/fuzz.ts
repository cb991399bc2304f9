/**
 * Spoilt requests to the gateway, and spoilt answers from a function behind it: it must not crash, hang, leak, mix up
 * callers or open what is closed. `node test/soak/fuzz.ts [SECONDS] [SEED]`
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../kit.ts'
import { assertStillWorks, startRawGateway, type RawGateway } from '../gateway/raw-gateway.ts'
import { openWire, parseAnswers } from '../gateway/raw-wire.ts'
import { createRandom, goodAnswers, goodRequests, spoil, type Random } from './mutate.ts'

export type FuzzPlan = { readonly seconds: number; readonly seed: number; readonly note?: (text: string) => void }

export type FuzzReport = {
  readonly connections: number
  readonly answers: Readonly<Record<string, number>>
  /** Each with the bytes that caused it. */
  readonly found: readonly string[]
  readonly rssGrowthBytes: number
}

const CONCURRENCY = 16
/** The normal call between rounds. */
const CHECK_EVERY = 500
/** How long a connection that says nothing more is listened to. */
const LISTEN_MS = 40
const AUTHORIZATION = `Basic ${Buffer.from('admin:fixture-password').toString('base64')}`
const tokenForm = /tok[0-9a-f]{16}/g

export async function fuzz({ seconds, seed, note = () => undefined }: FuzzPlan): Promise<FuzzReport> {
  const random = createRandom(seed)
  const found: string[] = []
  const answers: Record<string, number> = {}
  const tokens = new Set<string>()
  let current = ''
  const onCrash = (error: unknown): void => { found.push(`crash: ${error instanceof Error ? error.stack : error}\nnear ${current}`) }
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash)

  await using raw = await startRawGateway({
    limits: { readTimeoutMs: 400, writeTimeoutMs: 400, upstreamTimeoutMs: 400, readyTimeoutMs: 300, idleTimeoutMs: 400, shutdownTimeoutMs: 500 },
    script: (socket, head) => {
      const answer = spoil(random.pick(goodAnswers(head.match(tokenForm)?.[0] ?? 'nobody')), random, goodAnswers('nobody'))
      socket.write(answer, 'latin1')
      const then = random.below(6)
      if (then === 0) socket.end()
      if (then === 1) socket.resetAndDestroy()
    },
  })
  await assertStillWorks(raw)
  const rssBefore = process.memoryUsage.rss()
  const endMs = Date.now() + seconds * 1000
  let connections = 0
  try {
    while (Date.now() < endMs && found.length < 10) {
      raw.renewRaw()
      await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
        const token = `tok${randomBytes(8).toString('hex')}`
        tokens.add(token)
        const seeds = goodRequests(token, AUTHORIZATION)
        const bytes = spoil(random.pick(seeds), random, seeds)
        current = JSON.stringify(bytes.slice(0, 2_000))
        const text = await throwAt(raw, bytes, random)
        connections++
        found.push(...check(bytes, text, token, tokens).map((complaint) => `${complaint}\nsent ${JSON.stringify(bytes.slice(0, 2_000))}\ngot ${JSON.stringify(text.slice(0, 2_000))}`))
        for (const { status } of parseAnswers(text, true)) answers[status] = (answers[status] ?? 0) + 1
      }))
      if (connections % CHECK_EVERY < CONCURRENCY) {
        await checkGateway(raw).catch((error: unknown) => found.push(`the gateway no longer works: ${error}\nnear ${current}`))
        note(`${connections} connections, ${found.length} finds, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`)
      }
    }
    await checkGateway(raw).catch((error: unknown) => found.push(`the gateway no longer works: ${error}`))
  } finally {
    process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash)
  }
  return { connections, answers, found, rssGrowthBytes: process.memoryUsage.rss() - rssBefore }
}

/** In pieces, with pauses, and with all the ways to leave. */
async function throwAt(raw: RawGateway, bytes: string, random: Random): Promise<string> {
  await using wire = await openWire(raw.port, { isHalfOpen: random.below(4) === 0 })
  for (let at = 0; at < bytes.length && !wire.isClosed();) {
    const length = random.below(3) === 0 ? 1 + random.below(bytes.length - at) : bytes.length - at
    wire.write(bytes.slice(at, at + length))
    at += length
    if (random.below(2) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  switch (random.below(8)) {
    case 0: wire.socket.resetAndDestroy(); break
    case 1: wire.socket.end(); break
    default:
  }
  for (let waitedMs = 0; waitedMs < LISTEN_MS && !wire.isClosed(); waitedMs += 5) await delay(5)
  return wire.text()
}

function check(bytes: string, text: string, token: string, tokens: ReadonlySet<string>): string[] {
  const found: string[] = []
  for (const [other] of text.matchAll(tokenForm)) {
    if (other !== token && tokens.has(other)) found.push(`somebody else's answer: ${other} instead of ${token}`)
  }
  const isKnown = bytes.includes(AUTHORIZATION.slice('Basic '.length))
  const answers = parseAnswers(text, true)
  for (const [index, { status, headers, body }] of answers.entries()) {
    // Where the answer to a HEAD ends cannot be told from the bytes, and what follows an upgrade is the function's.
    if (status === 0 && answers[index - 1]?.status !== 101 && !bytes.includes('HEAD ')) found.push('bytes that are no answer')
    const isJson = headers['content-type']?.startsWith('application/json') === true
    if (!isKnown && isJson && status === 200 && body.includes('test/echo')) found.push('the API answered without credentials')
  }
  return found
}

async function checkGateway(raw: RawGateway): Promise<void> {
  await assertStillWorks(raw)
  const underWay = (): string[] => [...raw.gateway.snapshot().functions].filter(({ inFlight }) => inFlight !== 0)
    .map(({ name, inFlight }) => `${name}: ${inFlight}`)
  await eventually('no call is under way', () => underWay().length === 0).catch((error: unknown) => {
    throw new Error(`${error}: ${underWay().join(', ')}`)
  })
}

if (import.meta.main) {
  const seconds = Number(process.argv[2] ?? 60)
  const seed = Number(process.argv[3] ?? Date.now() % 1e9)
  console.log(`seed ${seed}`)
  const report = await fuzz({ seconds, seed, note: (text) => console.log(text) })
  console.log(`${report.connections} connections; answers by status ${JSON.stringify(report.answers)}; ` +
    `memory ${Math.round(report.rssGrowthBytes / 2 ** 20)} MB more; ${report.found.length} finds`)
  for (const one of report.found) console.log(`\n${one}`)
  process.exitCode = report.found.length > 0 ? 1 : 0
}
