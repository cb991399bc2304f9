/** `/system/functions` and `/system/function/NAME`. */
import type { RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import { checkDnsLabel, serviceName } from '../../openfaas/names.ts'
import { parseDeletion, parseDeployment, parseNamespaceName } from '../../openfaas/parse.ts'
import type { FunctionSpec, FunctionStatus } from '../../openfaas/types.ts'
import type { Provider } from '../../provider/provider.ts'
import { queryText } from './query.ts'

export type FunctionsDeps = {
  readonly provider: Provider
  /** Calls of `NAME.NAMESPACE` that have ended. */
  readonly invocationCount: (service: string) => number
  /** `INVALID` for what others than the provider could not make sense of. */
  readonly check: (spec: FunctionSpec) => void
}

export function listFunctions({ provider, invocationCount }: FunctionsDeps): RequestHandler {
  return async (req, res) => {
    const namespace = parseNamespaceName(queryText(req, 'namespace'))
    const list = await provider.list(namespace)
    res.json(list.map((status) => ({ ...toJson(status), ...countOf(invocationCount(serviceName(status.spec))) })))
  }
}

export function getFunction({ provider }: FunctionsDeps): RequestHandler {
  return async (req, res) => {
    const ref = {
      name: checkDnsLabel(String(req.params['name']), 'function name'),
      namespace: parseNamespaceName(queryText(req, 'namespace')),
    }
    const usage = queryText(req, 'usage')
    const status = await provider.get(ref, { withUsage: usage === '1' || usage === 'true' })
    if (status === undefined) throw notFound(ref)
    res.json(toJson(status))
  }
}

/** POST: only what is not there yet. PUT: only what is there; the CLI answers its 404 with a POST. */
export function deployFunction({ provider, check }: FunctionsDeps, how: 'create' | 'update'): RequestHandler {
  return async (req, res) => {
    const spec = parseDeployment(req.body)
    check(spec)
    if (await provider.namespaces.get(spec.namespace) === undefined) {
      throw new BrambleError('INVALID', `namespace ${spec.namespace} does not exist; create it first`)
    }
    const present = await provider.get(spec)
    if (how === 'update' && present === undefined) throw notFound(spec)
    if (how === 'create' && present !== undefined) {
      throw new BrambleError('CONFLICT', `function ${serviceName(spec)} exists already; update it with PUT`)
    }
    await provider.apply(spec)
    res.status(202).end()
  }
}

export function deleteFunction({ provider }: FunctionsDeps): RequestHandler {
  return async (req, res) => {
    await provider.remove(parseDeletion(req.body, queryText(req, 'namespace')))
    res.status(202).end()
  }
}

function notFound(ref: { readonly name: string; readonly namespace: string }): BrambleError {
  return new BrambleError('NOT_FOUND', `function ${serviceName(ref)} is not deployed`)
}

/** The wire form: empty things are left out, `labels` and `annotations` never are. Clients depend on both. */
function toJson(status: FunctionStatus): Record<string, unknown> {
  const { spec, replicas, availableReplicas, createdAt, usage, conditions } = status
  return {
    name: spec.name,
    namespace: spec.namespace,
    image: spec.image,
    ...(spec.envProcess ? { envProcess: spec.envProcess } : {}),
    ...filled('envVars', spec.envVars),
    ...filled('constraints', spec.constraints),
    ...filled('secrets', spec.secrets),
    labels: spec.labels,
    annotations: spec.annotations,
    ...filled('limits', spec.limits),
    ...filled('requests', spec.requests),
    ...(spec.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
    ...(replicas > 0 ? { replicas } : {}),
    availableReplicas,
    createdAt: createdAt.toISOString().replace('.000Z', 'Z'),
    ...(usage ? { usage } : {}),
    ...filled('conditions', conditions),
  }
}

function filled(name: keyof FunctionSpec | 'conditions', value: object | undefined): Record<string, unknown> {
  return value !== undefined && Object.keys(value).length > 0 ? { [name]: value } : {}
}

function countOf(count: number): { invocationCount?: number } {
  return count > 0 ? { invocationCount: count } : {}
}
