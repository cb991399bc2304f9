/**
 * `/system/metrics`: the metrics of the gateway and of the nodes; with `?name=` those that a function's replicas count themselves.
 * Prometheus takes the former from their own port; a function reaches only this one, and no other function's replicas.
 */
import { get } from 'node:http'
import type { RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import { EXPOSITION_TYPE } from '../../metrics/exposition.ts'
import { mergeExpositions } from '../../metrics/merge.ts'
import { checkDnsLabel, serviceName } from '../../openfaas/names.ts'
import { parseNamespaceName } from '../../openfaas/parse.ts'
import type { Endpoint, Provider } from '../../provider/provider.ts'
import { exposeNodes } from './node-metrics.ts'
import { queryText } from './query.ts'

/** One that does not answer must not hold up the others' for long. */
const TIMEOUT_MS = 2_000
/** Of one replica. */
const MAX_BYTES = 2 * 1024 * 1024

export function readMetrics(provider: Provider, own: () => string): RequestHandler {
  return async (req, res) => {
    const name = queryText(req, 'name')
    res.setHeader('content-type', EXPOSITION_TYPE)
    if (name === undefined) {
      res.end(own() + exposeNodes(await provider.nodes?.() ?? []))
      return
    }
    const ref = { name: checkDnsLabel(name, 'function name'), namespace: parseNamespaceName(queryText(req, 'namespace')) }
    const endpoints = provider.metricsOf?.(ref)
    if (endpoints === undefined) throw new BrambleError('NOT_FOUND', `function ${serviceName(ref)} is not deployed`)
    const texts = await Promise.all(endpoints.map(async (endpoint) => ({
      labels: { function_name: serviceName(ref), instance: endpoint.instance }, text: await textOf(endpoint).catch(() => ''),
    })))
    res.end(mergeExpositions(texts))
  }
}

function textOf({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path: '/metrics', signal: AbortSignal.timeout(TIMEOUT_MS), agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('error', reject).on('end', () => resolve(answer.statusCode === 200 ? text : ''))
      answer.on('data', (chunk: string) => {
        text += chunk
        if (text.length > MAX_BYTES) request.destroy(new Error(`more than ${MAX_BYTES} bytes of metrics`))
      })
    })
    request.on('error', reject)
  })
}
