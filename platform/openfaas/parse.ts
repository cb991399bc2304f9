/** The border: JSON bodies of `/system` become types here, and are trusted afterwards. */
import { BrambleError } from '../lib/errors.ts'
import { readAffinity } from './affinity.ts'
import { readScalePolicy } from './labels.ts'
import { checkDnsLabel, checkSecretName } from './names.ts'
import { parseCpu, parseMemory } from './quantity.ts'
import { readRetryPolicy } from './retry-policy.ts'
import {
  DEFAULT_NAMESPACE, type FunctionRef, type FunctionResources, type FunctionSpec, type Namespace, type Secret,
  type SecretRef,
} from './types.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** Image references: [registry[:port]/]path[:tag][@digest]. Source: OCI distribution reference grammar. */
const imageReference = new RegExp(
  '^(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?(?::[0-9]+)?/)?' +
  '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*' +
  '(?::[\\w][\\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$')
const MAX_IMAGE_LENGTH = 512
const environmentName = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/

/** A `FunctionDeployment` body (POST and PUT `/system/functions`). */
export function parseDeployment(body: unknown): FunctionSpec {
  const json = asObject(body, 'the request body')
  const name = checkDnsLabel(text(json, 'service') ?? '', 'function name')
  const image = text(json, 'image') ?? ''
  if (image.length > MAX_IMAGE_LENGTH || !imageReference.test(image)) {
    throw new BrambleError('INVALID', image === ''
      ? `function ${name} has no image: set "image"`
      : `image "${image.slice(0, 80)}" of function ${name} is not an image reference like registry.local/${name}:1.0`)
  }
  const envProcess = text(json, 'envProcess')
  const limits = resources(json, 'limits')
  const requests = resources(json, 'requests')
  const readOnly = json['readOnlyRootFilesystem']
  if (readOnly !== undefined && readOnly !== null && typeof readOnly !== 'boolean') {
    throw new BrambleError('INVALID', 'readOnlyRootFilesystem must be true or false')
  }
  const labels = textMap(json, 'labels')
  readScalePolicy(labels)
  const annotations = textMap(json, 'annotations')
  readRetryPolicy(annotations)
  readAffinity(annotations)
  const envVars = textMap(json, 'envVars')
  for (const [key, value] of Object.entries(envVars)) {
    if (!environmentName.test(key)) throw new BrambleError('INVALID', `envVars: "${key}" is not an environment variable name`)
    if (value.includes('\0')) throw new BrambleError('INVALID', `envVars: the value of "${key}" contains a NUL character`)
  }
  if (envProcess?.includes('\0')) throw new BrambleError('INVALID', 'envProcess contains a NUL character')
  const constraints = textList(json, 'constraints')
  for (const constraint of constraints) {
    if (!/^[^=\s]+(=|==)[^=\s]*$/.test(constraint)) {
      throw new BrambleError('INVALID', `constraint "${constraint}" is not of the form key=value`)
    }
  }
  return {
    name,
    namespace: namespaceOf(json),
    image,
    ...(envProcess ? { envProcess } : {}),
    envVars,
    constraints,
    secrets: textList(json, 'secrets').map(checkSecretName),
    labels,
    annotations,
    ...(limits ? { limits } : {}),
    ...(requests ? { requests } : {}),
    ...(typeof readOnly === 'boolean' ? { readOnlyRootFilesystem: readOnly } : {}),
  }
}

/** A `DeleteFunctionRequest` body; the namespace may come in the query, as older clients send it. */
export function parseDeletion(body: unknown, queryNamespace: string | undefined): FunctionRef {
  const json = asObject(body, 'the request body')
  return {
    name: checkDnsLabel(text(json, 'functionName') ?? '', 'functionName'),
    namespace: namespaceOf(json, queryNamespace),
  }
}

/** A `ScaleServiceRequest` body; `pathName` is the name in the URL and wins nothing: both must agree. */
export function parseScale(
  body: unknown, pathName: string, queryNamespace: string | undefined,
): { ref: FunctionRef; replicas: number } {
  const json = asObject(body, 'the request body')
  const name = checkDnsLabel(text(json, 'serviceName') || pathName, 'serviceName')
  if (name !== pathName) {
    throw new BrambleError('INVALID', `serviceName "${name}" is not the function in the path, "${pathName}"`)
  }
  const replicas = json['replicas']
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 0) {
    throw new BrambleError('INVALID', 'replicas must be a whole number from 0 upwards')
  }
  return { ref: { name, namespace: namespaceOf(json, queryNamespace) }, replicas }
}

/** A `Secret` body. `rawValue` (base64) wins over `value`; one of them must be there. */
export function parseSecret(body: unknown): Secret {
  const json = asObject(body, 'the request body')
  const ref = secretRef(json)
  const raw = text(json, 'rawValue')
  if (raw) {
    if (raw.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(raw)) {
      throw new BrambleError('INVALID', `rawValue of secret ${ref.name} is not base64`)
    }
    return { ...ref, value: Buffer.from(raw, 'base64') }
  }
  const value = text(json, 'value')
  if (!value) throw new BrambleError('INVALID', `secret ${ref.name} has no value: send "value" or base64 in "rawValue"`)
  return { ...ref, value: Buffer.from(value, 'utf8') }
}

/** The body of DELETE `/system/secrets`. */
export function parseSecretRef(body: unknown, queryNamespace: string | undefined): SecretRef {
  return secretRef(asObject(body, 'the request body'), queryNamespace)
}

/** A `FunctionNamespace` body. It must carry the label `openfaas: "1"` or the annotation, as the clients send both. */
export function parseNamespace(body: unknown, pathName?: string): Namespace {
  const json = asObject(body, 'the request body')
  const name = checkDnsLabel(text(json, 'name') ?? '', 'namespace')
  if (pathName !== undefined && pathName !== name) {
    throw new BrambleError('INVALID', `name "${name}" is not the namespace in the path, "${pathName}"`)
  }
  const labels = textMap(json, 'labels')
  const annotations = textMap(json, 'annotations')
  if (labels['openfaas'] !== '1' && annotations['openfaas'] !== '1') {
    throw new BrambleError('INVALID', `namespace ${name} needs the label openfaas: "1" to be used for functions`)
  }
  return { name, labels, annotations }
}

/** The namespace of a query parameter: absent or empty means the default one. */
export function parseNamespaceName(value: string | undefined): string {
  return value ? checkDnsLabel(value, 'namespace') : DEFAULT_NAMESPACE
}

function secretRef(json: JsonObject, queryNamespace?: string): SecretRef {
  return { name: checkSecretName(text(json, 'name') ?? ''), namespace: namespaceOf(json, queryNamespace) }
}

function namespaceOf(json: JsonObject, queryNamespace?: string): string {
  return parseNamespaceName(text(json, 'namespace') || queryNamespace)
}

function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BrambleError('INVALID', `${what} must be a JSON object`)
  }
  return Object.fromEntries(Object.entries(value))
}

function text(json: JsonObject, field: string): string | undefined {
  const value = json[field]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new BrambleError('INVALID', `${field} must be a text`)
  return value
}

function textMap(json: JsonObject, field: string): Record<string, string> {
  const value = json[field]
  if (value === undefined || value === null) return {}
  const entries = Object.entries(asObject(value, field)).map(([key, item]): [string, string] => {
    if (typeof item !== 'string') throw new BrambleError('INVALID', `${field}: the value of "${key}" must be a text`)
    return [key, item]
  })
  return Object.fromEntries(entries)
}

function textList(json: JsonObject, field: string): string[] {
  const value = json[field]
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new BrambleError('INVALID', `${field} must be a list of texts`)
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw new BrambleError('INVALID', `${field} must be a list of texts`)
    return item
  })
}

function resources(json: JsonObject, field: string): FunctionResources | undefined {
  const map = textMap(json, field)
  const { memory, cpu } = map
  const kept: Record<string, string> = {}
  if (memory) { parseMemory(memory, `${field}.memory`); kept['memory'] = memory }
  if (cpu) { parseCpu(cpu, `${field}.cpu`); kept['cpu'] = cpu }
  for (const gpu of ['nvidia.com/gpu', 'amd.com/gpu', 'intel.com/gpu']) {
    const amount = map[gpu]
    if (!amount) continue
    if (!/^[0-9]+$/.test(amount)) throw new BrambleError('INVALID', `${field}: ${gpu} must be a whole number`)
    kept[gpu] = amount
  }
  return Object.keys(kept).length > 0 ? kept : undefined
}
