/** The services whose descriptions are fuzzed, each one running with something in it. */
import { startStage } from '../functions/auth/stage.ts'
import { startCache, TOKEN } from '../functions/cache/started-cache.ts'
import { SERVICE_TOKEN, startData } from '../functions/data/data-function.ts'
import { startStage as startFiles } from '../functions/files/stage.ts'
import { startStage as startSchedulerStage } from '../functions/scheduler/stage.ts'
import { startMonitor, TOKEN as MONITOR_TOKEN } from '../functions/monitor/started-monitor.ts'

export type FuzzedService = AsyncDisposable & {
  readonly url: string
  /** Sent with every call: who may do everything. Written as in `Authorization`, or the fuzzer does not know what to leave out. */
  readonly headers: Readonly<Record<string, string>>
  /** What the service has logged as an error so far. */
  errors(): readonly unknown[]
}

export const services: Readonly<Record<string, () => Promise<FuzzedService>>> = {
  data: startFuzzedData,
  auth: startFuzzedAuth,
  cache: startFuzzedCache,
  files: startFuzzedFiles,
  monitor: startFuzzedMonitor,
  scheduler: startFuzzedScheduler,
}

async function startFuzzedData(): Promise<FuzzedService> {
  const data = await startData({ max_statement_time: '500ms' })
  await data.call('PUT', '/v1/db/fuzz')
  await data.call('POST', '/v1/db/fuzz/execute', { statements: [{ sql: 'CREATE TABLE t (n)' }, { sql: 'INSERT INTO t VALUES (1)' }] })
  return {
    url: data.running().url,
    headers: { Authorization: `Bearer ${SERVICE_TOKEN}` },
    errors: () => data.running().logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => data[Symbol.asyncDispose](),
  }
}

async function startFuzzedAuth(): Promise<FuzzedService> {
  const stage = await startStage()
  return {
    url: stage.url,
    headers: { Authorization: `Bearer ${await stage.admin()}` },
    errors: () => stage.logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  }
}

async function startFuzzedCache(): Promise<FuzzedService> {
  const cache = await startCache()
  return {
    url: cache.process.url,
    headers: { Authorization: `Bearer ${TOKEN}` },
    errors: () => cache.process.logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  }
}

async function startFuzzedMonitor(): Promise<FuzzedService> {
  const monitor = await startMonitor()
  await monitor.push(Array.from({ length: 50 }, (_, i) => ({ function: 'fuzz', level: 'info', message: `line ${i}`, callId: 'call' })))
  return {
    url: monitor.process.url,
    headers: { Authorization: `Bearer ${MONITOR_TOKEN}` },
    errors: () => monitor.process.logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => monitor[Symbol.asyncDispose](),
  }
}

async function startFuzzedScheduler(): Promise<FuzzedService> {
  const stage = await startSchedulerStage({ lease: '60s', allowed_urls: 'https://example.org/' })
  await stage.job({ target: stage.at('/fuzz'), cron: { pattern: '0 0 1 1 *' } })
  return {
    url: stage.url,
    headers: { Authorization: `Bearer ${stage.serviceToken}` },
    errors: () => stage.first.logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  }
}

async function startFuzzedFiles(): Promise<FuzzedService> {
  const stage = await startFiles({ thumbnail_function: 'thumbnail' })
  await stage.call('PUT', '/v1/files/fuzz?owner=fuzz', { token: stage.serviceToken, bytes: 'content' })
  return {
    url: stage.url(),
    headers: { Authorization: `Bearer ${stage.serviceToken}` },
    errors: () => stage.logs().filter(({ level }) => level === 'error'),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  }
}
