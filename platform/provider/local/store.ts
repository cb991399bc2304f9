/** What survives a restart: functions, secrets and namespaces, one file each under `data_dir`. */
import { join } from 'node:path'
import { BrambleError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { serviceName } from '../../openfaas/names.ts'
import { parseDeployment } from '../../openfaas/parse.ts'
import type { FunctionSpec, Namespace, Secret } from '../../openfaas/types.ts'
import type { Files } from '../../lib/files.ts'
import { createRecords, type Records } from './records.ts'
import { createRevision, type Revision } from './revision.ts'

/** Why an update did not succeed; kept, so that a restart does not try it again unasked. */
export type UpdateFailure = { readonly message: string; readonly lastLines: readonly string[] }

export type FunctionRecord = {
  /** What was deployed last. */
  readonly target: Revision
  readonly replicas: number
  readonly createdAt: Date
  /** The user id its processes run under when the platform is root; its own as long as it exists. */
  readonly user: number | undefined
  /** The last revision that was seen ready. */
  readonly lastGood: Revision | undefined
  /** Set when `target` failed; `lastGood` serves then. */
  readonly failure: UpdateFailure | undefined
}

/** `isRemoved`: gone for everybody, but there may still be files of what was in it. */
export type StoredNamespace = Namespace & { readonly isRemoved?: boolean }

export type Store = {
  readonly functions: Records<FunctionRecord>
  readonly secrets: Records<Secret>
  readonly namespaces: Records<StoredNamespace>
}

type Json = Readonly<Record<string, unknown>>

export function createStore(deps: { files: Files; dataDir: string; log: Log }): Store {
  const { files, dataDir, log } = deps
  const common = { files, log, setAside: join(dataDir, 'unreadable') }
  return {
    functions: createRecords<FunctionRecord>({
      ...common,
      folder: join(dataDir, 'functions'),
      keyOf: functionKeyOf,
      toJson: (record) => ({
        ...record,
        target: revisionToJson(record.target),
        lastGood: record.lastGood && revisionToJson(record.lastGood),
      }),
      parse: parseFunction,
    }),
    secrets: createRecords<Secret>({
      ...common,
      folder: join(dataDir, 'secrets'),
      keyOf: serviceName,
      toJson: ({ name, namespace, value }) => ({ name, namespace, rawValue: Buffer.from(value).toString('base64') }),
      parse: parseSecret,
    }),
    namespaces: createRecords<StoredNamespace>({
      ...common,
      folder: join(dataDir, 'namespaces'),
      keyOf: ({ name }) => name,
      toJson: (namespace) => namespace,
      parse: parseNamespace,
    }),
  }
}

export function functionKeyOf(record: FunctionRecord): string {
  return serviceName(record.target.spec)
}

/** A spec is stored as the deployment it came from, so one parser knows its rules. */
function revisionToJson({ spec, bundle, secrets }: Revision): unknown {
  return { deployment: { ...spec, service: spec.name }, bundle, secrets }
}

function parseFunction(value: unknown): FunctionRecord {
  const json = object(value)
  const { replicas, createdAt, user, lastGood, failure } = json
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 0) throw unreadable('replicas')
  const date = new Date(text(createdAt, 'createdAt'))
  if (Number.isNaN(date.getTime())) throw unreadable('createdAt')
  if (user !== undefined && (typeof user !== 'number' || !Number.isSafeInteger(user) || user <= 0)) throw unreadable('user')
  return {
    target: parseRevision(json['target']),
    replicas,
    createdAt: date,
    user,
    lastGood: lastGood === undefined ? undefined : parseRevision(lastGood),
    failure: failure === undefined ? undefined : parseFailure(failure),
  }
}

function parseRevision(value: unknown): Revision {
  const json = object(value)
  const spec: FunctionSpec = parseDeployment(json['deployment'])
  const bundle = text(json['bundle'], 'bundle')
  if (!/^[0-9a-f]{64}$/.test(bundle)) throw unreadable('bundle')
  return createRevision({ spec, bundle, secrets: texts(json['secrets'], 'secrets') })
}

function parseFailure(value: unknown): UpdateFailure {
  const json = object(value)
  const lines: unknown = json['lastLines']
  if (!Array.isArray(lines)) throw unreadable('lastLines')
  return { message: text(json['message'], 'message'), lastLines: lines.map((line: unknown) => text(line, 'lastLines')) }
}

function parseSecret(value: unknown): Secret {
  const json = object(value)
  return {
    name: text(json['name'], 'name'),
    namespace: text(json['namespace'], 'namespace'),
    value: Buffer.from(text(json['rawValue'], 'rawValue'), 'base64'),
  }
}

function parseNamespace(value: unknown): StoredNamespace {
  const json = object(value)
  return {
    name: text(json['name'], 'name'),
    labels: texts(json['labels'], 'labels'),
    annotations: texts(json['annotations'], 'annotations'),
    ...(json['isRemoved'] === true ? { isRemoved: true } : {}),
  }
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable('content')
  return Object.fromEntries(Object.entries(value))
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw unreadable(field)
  return value
}

function texts(value: unknown, field: string): Record<string, string> {
  return Object.fromEntries(Object.entries(object(value)).map(([key, one]) => [key, text(one, field)]))
}

function unreadable(field: string): BrambleError {
  return new BrambleError('INTERNAL', `its ${field} cannot be read`)
}
