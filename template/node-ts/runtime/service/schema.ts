/**
 * Schemas as every schema library offers them (standardschema.dev: Standard Schema and Standard JSON Schema, version 1), so that
 * the runtime needs none: a zod schema is one. What they check and what the OpenAPI description says is the same thing.
 */
import type { FieldError } from './problem.ts'

export type Schema<Output = unknown> = {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Validated<Output> | Promise<Validated<Output>>
    readonly jsonSchema: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
      readonly output: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
    }
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type Validated<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] }
type Issue = { readonly message: string; readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined }

/** More would only help who sends garbage. */
const MAX_ERRORS = 20

/** The value as the schema makes it, or everything that is wrong with it. */
export async function checkValue<Output>(
  schema: Schema<Output>, value: unknown, place: FieldError['in'],
): Promise<{ readonly value: Output } | { readonly errors: readonly FieldError[] }> {
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return { value: result.value }
  return {
    errors: result.issues.flatMap((issue) => meantIssues(issue)).slice(0, MAX_ERRORS).map(({ message, path = [] }) => ({
      in: place,
      path: path.map((step) => `/${escapeStep(typeof step === 'object' ? step.key : step)}`).join(''),
      detail: message,
    })),
  }
}

/**
 * zod says of a union that failed why each alternative did. One that is wrong only inside is the one that was meant, and its
 * errors have better places.
 */
function meantIssues(issue: Issue): readonly Issue[] {
  const alternatives: unknown = 'errors' in issue ? issue.errors : undefined
  if (!Array.isArray(alternatives)) return [issue]
  const meant = alternatives.find((issues): issues is readonly Issue[] => Array.isArray(issues) && issues.length > 0
    && issues.every((one: unknown) => isRecord(one) && Array.isArray(one['path']) && one['path'].length > 0))
  if (meant === undefined) return [issue]
  return meant.flatMap(meantIssues).map((one) => ({ ...one, path: [...issue.path ?? [], ...one.path ?? []] }))
}

export function inputJsonSchema(schema: Schema): Record<string, unknown> {
  return withoutDialect(schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }))
}

export function outputJsonSchema(schema: Schema): Record<string, unknown> {
  return withoutDialect(schema['~standard'].jsonSchema.output({ target: 'draft-2020-12' }))
}

/**
 * Turns the texts of a query or a path into what the schema says they are; what does not fit stays a text, to be refused by the
 * schema. `isOnlyKnown` leaves out names the schema does not have.
 */
export function createTextReader(
  schema: Schema, { isOnlyKnown = false } = {},
): (texts: ReadonlyMap<string, readonly string[]>) => Record<string, unknown> {
  const properties = inputJsonSchema(schema)['properties']
  const types = new Map<string, unknown>()
  if (isRecord(properties)) {
    for (const [name, property] of Object.entries(properties)) types.set(name, isRecord(property) ? property['type'] : undefined)
  }
  const isKnown = (name: string): boolean => !isOnlyKnown || types.has(name)
  return (texts) => Object.fromEntries([...texts].filter(([name]) => isKnown(name)).map(([name, values]) => {
    const type = types.get(name)
    if (type === 'array') return [name, values]
    // Twice where once is meant: the schema refuses the list.
    return [name, values.length > 1 ? values : asType(values[0] ?? '', type)]
  }))
}

function asType(text: string, type: unknown): unknown {
  if (type === 'integer' || type === 'number') return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : text
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  return text
}

function escapeStep(step: PropertyKey): string {
  return String(step).replaceAll('~', '~0').replaceAll('/', '~1')
}

function withoutDialect({ $schema: _, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return rest
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
