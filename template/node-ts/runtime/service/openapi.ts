/** The OpenAPI 3.1 description of a table of routes. */
import { ANY_TYPE } from './body.ts'
import type { AnswerSpec, RouteSpec } from './route.ts'
import { inputJsonSchema, outputJsonSchema, type Schema } from './schema.ts'

type Json = Record<string, unknown>

export type ServiceInfo = {
  readonly title: string
  readonly version: string
  readonly description: string
  /** Security schemes by the names that routes have as `access`, as OpenAPI writes them. */
  readonly schemes: Readonly<Record<string, Json>>
}

const problemSchema: Json = {
  type: 'object',
  description: 'RFC 9457. Compare `code`: it is stable.',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    code: { type: 'string', pattern: '^[a-z][a-z0-9_]*$' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['in', 'path', 'detail'],
        properties: {
          in: { enum: ['path', 'query', 'header', 'body'] },
          path: { type: 'string', description: 'JSON pointer (RFC 6901)' },
          detail: { type: 'string' },
        },
      },
    },
  },
}

export function openApiOf({ title, version, description, schemes }: ServiceInfo, routes: readonly RouteSpec[]): Json {
  const schemas: Json = { Problem: problemSchema }
  /** Named parts of a schema go where every schema can refer to them. */
  const place = ({ $defs, ...schema }: Json): unknown => {
    if (isRecord($defs)) for (const [name, part] of Object.entries($defs)) schemas[name] = moved(part)
    return moved(schema)
  }
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const at = route.at.replace(/:(\w+)\*?/g, '{$1}')
    const operations = paths[at] ??= {}
    operations[route.method] = operationOf(route, place)
  }
  return {
    openapi: '3.1.0',
    info: { title, version, description, license: { name: 'MIT', identifier: 'MIT' } },
    // Beside the description, wherever a gateway has put the service.
    servers: [{ url: './' }],
    paths,
    components: { schemas, securitySchemes: schemes },
  }
}

function operationOf(route: RouteSpec, place: (schema: Json) => unknown): Json {
  const { id, summary, description, tag, access } = route
  const parameters = [
    ...parametersOf('path', route.path, place), ...parametersOf('query', route.query, place), ...parametersOf('header', route.headers, place),
  ]
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer, place)] as const)
  const problem = { description: 'A problem', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    ...(tag !== undefined && { tags: [tag] }),
    security: access === 'public' ? [] : [{ [access]: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...bodyOf(route, place),
    responses: { ...Object.fromEntries(answers), default: problem },
  }
}

function bodyOf({ body, bodyType = 'application/json', upload }: RouteSpec, place: (schema: Json) => unknown): Json {
  if (body !== undefined) return { requestBody: { required: true, content: { [bodyType]: { schema: place(inputJsonSchema(body)) } } } }
  // Any type is taken: bytes stand for all of them, or tools would send what they think each type looks like.
  const types = upload === undefined ? [] : [upload].flat().map((type) => type === ANY_TYPE ? 'application/octet-stream' : type)
  return types.length === 0 ? {} : { requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, { schema: { type: 'string', format: 'binary' } }])) } }
}

function parametersOf(where: 'path' | 'query' | 'header', schema: Schema | undefined, place: (schema: Json) => unknown): Json[] {
  if (schema === undefined) return []
  const { properties, required, $defs } = inputJsonSchema(schema)
  const needed = Array.isArray(required) ? required : []
  return Object.entries(isRecord(properties) ? properties : {}).map(([name, property]) => {
    const { description, ...rest } = isRecord(property) ? property : {}
    return {
      name, in: where,
      required: where === 'path' || needed.includes(name),
      ...(description !== undefined && { description }),
      schema: place({ ...rest, ...($defs !== undefined && { $defs }) }),
    }
  })
}

function answerOf({ description, schema, type, headers = {} }: AnswerSpec, place: (schema: Json) => unknown): Json {
  const types = type !== undefined ? [type].flat() : schema !== undefined ? ['application/json'] : []
  const schemaOf = (one: string): unknown => schema !== undefined ? place(outputJsonSchema(schema)) : one === ANY_TYPE ? {} : { type: one === 'application/json' ? 'object' : 'string' }
  const content = types.length === 0 ? undefined : Object.fromEntries(types.map((one) => [one, { schema: schemaOf(one) }]))
  const described = Object.entries(headers).map(([name, meaning]) => [name, { description: meaning, schema: { type: 'string' } }] as const)
  return {
    description,
    ...(described.length > 0 && { headers: Object.fromEntries(described) }),
    ...(content !== undefined && { content }),
  }
}

/** The same schema with its references pointing into the document. */
function moved(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(moved)
  if (!isRecord(schema)) return schema
  return Object.fromEntries(Object.entries(schema).map(([key, value]) =>
    [key, key === '$ref' && typeof value === 'string' ? value.replace('#/$defs/', '#/components/schemas/') : moved(value)]))
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
