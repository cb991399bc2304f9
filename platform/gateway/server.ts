/** The whole route table. `/function` never reaches Express; everything under `/system` is closed by default. */
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BrambleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import type { SystemSeries } from '../metrics/exposition.ts'
import type { Alert } from '../openfaas/alerts.ts'
import type { FunctionRef, FunctionSpec } from '../openfaas/types.ts'
import type { Provider } from '../provider/provider.ts'
import type { AsyncCalls } from '../queue/queue.ts'
import { createAsync } from './async.ts'
import { createAuthCheck, type Credentials } from './auth.ts'
import { refuse } from './call.ts'
import { createDeadlines, type Deadlines } from './deadlines.ts'
import { postAlert } from './system/alert.ts'
import { listSchedules, type Schedules } from './system/cron.ts'
import { deleteFunction, deployFunction, getFunction, listFunctions } from './system/functions.ts'
import { getInfo, type Version } from './system/info.ts'
import { streamLogs } from './system/logs.ts'
import {
  createNamespace, deleteNamespace, getNamespace, listNamespaces, updateNamespace,
} from './system/namespaces.ts'
import { readMetrics } from './system/metrics.ts'
import { listDead, listQueues, redrive, removeDead, type QueueAdmin } from './system/queue.ts'
import { scaleFunction } from './system/scale.ts'
import { createSecret, deleteSecret, listSecrets, updateSecret } from './system/secrets.ts'

export type ApiOptions = {
  readonly provider: Provider
  readonly credentials: Credentials | undefined
  readonly version: Version
  readonly isReady: () => boolean
  readonly readTimeoutMs: number
  /** Calls of a function that have ended, by `NAME.NAMESPACE`. */
  readonly invocationCount: (service: string) => number
  /** Absent where nothing scales: there is no such route then. */
  readonly alert: ((alert: Alert) => Promise<void>) | undefined
  /** Absent where no schedules are run. */
  readonly schedules: Schedules | undefined
  /** Absent where nothing is queued: `/async-function` is 404 then. */
  readonly asyncCalls: AsyncCalls | undefined
  readonly queue: QueueAdmin | undefined
  /** The platform's own metrics, as text. Absent: there is no such route. */
  readonly metrics?: (() => string) | undefined
  /** By `NAME` or `NAME.NAMESPACE`. */
  readonly find: (name: string) => FunctionRef | undefined
  readonly log: Log
}

export type Api = Part & {
  handle(req: IncomingMessage, res: ServerResponse): void
  /** What was asked, by route and status. */
  series(): Iterable<SystemSeries>
}

/** Largest JSON body of `/system`; secrets of 1 MiB in base64 fit. */
const SYSTEM_BODY_LIMIT_BYTES = 2 * 1024 * 1024

export function createApi(deps: ApiOptions): Api {
  const { provider, log } = deps
  const check = (spec: FunctionSpec): void => deps.schedules?.check(spec)
  const functions = { provider, invocationCount: deps.invocationCount, check }
  const series = new Map<string, SystemSeries>()
  const deadlines = createDeadlines()
  const app: Express = express()
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('case sensitive routing', true)
  app.use(measure(series))
  app.use(limitBody(deadlines, deps.readTimeoutMs))

  // What answers without credentials; everything below asks for them.
  app.get('/', (_req, res) => { res.type('text').send('Bramble: functions answer at /function/NAME, the API is at /system\n') })
  app.get('/healthz', (_req, res) => { res.status(deps.isReady() ? 200 : 503).type('text').send(deps.isReady() ? 'OK' : 'not ready') })
  app.use('/async-function', deps.asyncCalls ? takeAsync(createAsync({ calls: deps.asyncCalls, find: deps.find, servedBy: `bramble/${deps.version.release}` })) : refuseAsync)
  app.use(authenticate(deps.credentials))
  app.use(express.json({ limit: SYSTEM_BODY_LIMIT_BYTES, type: () => true, strict: false }))

  app.get('/system/functions', listFunctions(functions))
  app.post('/system/functions', deployFunction(functions, 'create'))
  app.put('/system/functions', deployFunction(functions, 'update'))
  app.delete('/system/functions', deleteFunction(functions))
  app.get('/system/function/:name', getFunction(functions))
  app.post('/system/scale-function/:name', scaleFunction(provider))
  if (deps.alert) app.post('/system/alert', postAlert(deps.alert))
  if (deps.schedules) app.get('/system/cron', listSchedules(deps.schedules, provider))
  if (deps.queue) {
    app.get('/system/queue', listQueues(deps.queue))
    app.get('/system/queue/dead', listDead(deps.queue))
    app.post('/system/queue/dead/:id', redrive(deps.queue))
    app.delete('/system/queue/dead/:id', removeDead(deps.queue))
  }
  app.get('/system/secrets', listSecrets(provider))
  app.post('/system/secrets', createSecret(provider))
  app.put('/system/secrets', updateSecret(provider))
  app.delete('/system/secrets', deleteSecret(provider))
  app.get('/system/namespaces', listNamespaces(provider))
  app.post('/system/namespace/', createNamespace(provider))
  app.get('/system/namespace/:name', getNamespace(provider))
  app.put('/system/namespace/:name', updateNamespace(provider))
  app.delete('/system/namespace/:name', deleteNamespace(provider))
  app.get('/system/logs', streamLogs(provider))
  if (deps.metrics) app.get('/system/metrics', readMetrics(provider, deps.metrics))
  app.get('/system/info', getInfo(provider.info, deps.version))

  app.use((req) => { throw new BrambleError('NOT_FOUND', `nothing is served at ${req.method} ${req.path}`) })
  app.use(answerError(log))

  return {
    handle: (req, res) => { app(req, res) },
    series: () => series.values(),
    start: () => deadlines.start(),
    stop: () => deadlines.stop(),
  }
}

function authenticate(credentials: Credentials | undefined): RequestHandler {
  const isKnown = createAuthCheck(credentials)
  return (req, res, next) => {
    if (isKnown(req.headers.authorization)) return next()
    res.set('WWW-Authenticate', 'Basic realm="Restricted"')
    throw new BrambleError('UNAUTHORIZED', 'invalid credentials')
  }
}

/** Express takes the path it is mounted at away; the handler reads the whole. */
function takeAsync(handle: ReturnType<typeof createAsync>): RequestHandler {
  return (req, res) => {
    req.url = req.originalUrl
    handle(req, res)
  }
}

/** Where there is no queue: the same text whether or not the function exists, and no credentials asked for. */
const refuseAsync: RequestHandler = (req) => {
  throw new BrambleError('NOT_FOUND', `there is no queue for asynchronous calls here; call /function${req.path}`)
}

/** A body that is too large by its own account is not read, and one that does not arrive in time ends its connection. */
function limitBody(deadlines: Deadlines, readTimeoutMs: number): RequestHandler {
  return (req, res, next) => {
    if (Number(req.headers['content-length'] ?? 0) > SYSTEM_BODY_LIMIT_BYTES) throw tooLarge()
    deadlines.set(req, readTimeoutMs, () => {
      if (!req.complete) refuse(req, res, new BrambleError('REQUEST_TIMEOUT', 'the request body did not arrive in time (read_timeout)'))
    })
    req.once('close', () => deadlines.clear(req))
    next()
  }
}

function tooLarge(cause?: Error): BrambleError {
  return new BrambleError('TOO_LARGE', `the request body is larger than ${SYSTEM_BODY_LIMIT_BYTES} bytes`, { cause })
}

function measure(all: Map<string, SystemSeries>): RequestHandler {
  return (req, res, next) => {
    const startedMs = performance.now()
    res.on('close', () => {
      // By route, not by path: names in paths would make series without end.
      const route: unknown = req.route
      const path = typeof route === 'object' && route !== null && 'path' in route ? String(route.path) : 'other'
      const { method } = req
      const status = res.statusCode
      const key = `${method} ${path} ${status}`
      const one = all.get(key) ?? { method, path, status, count: 0, sumSeconds: 0 }
      one.count++
      one.sumSeconds += (performance.now() - startedMs) / 1000
      all.set(key, one)
    })
    next()
  }
}

function answerError(log: Log): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const translated = error instanceof BrambleError ? error : translate(error)
    if (translated === undefined) log.error('request failed', { method: req.method, path: req.path, error: stackOf(error) })
    refuse(req, res, translated ?? error)
  }
}

/** Express and its body parser mark what is the client's fault with a 4xx `status`. */
function translate(error: unknown): BrambleError | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined
  if (error.status === 413) return tooLarge(error)
  if (error.status < 400 || error.status > 499) return undefined
  return new BrambleError('INVALID', `the request cannot be read: ${error.message}`, { cause: error })
}

function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error)
}
