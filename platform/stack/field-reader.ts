/** Reads the fields of a YAML file; whatever has the wrong shape is refused with its place. */
import { BrambleError } from '../lib/errors.ts'
import { nearest } from './nearest.ts'
import type { YamlFile, YamlPath } from './yaml.ts'

export type FieldReader = ReturnType<typeof createFieldReader>

/** Values into types. `null` and absence are the empty text, map or list, as in faas-cli. */
export function createFieldReader(yaml: YamlFile, warnings: string[]) {
  const nameOf = (path: YamlPath): string => path.slice(path[0] === 'functions' ? 2 : 0).join('.')

  const map = (value: unknown, path: YamlPath): ReadonlyMap<string, unknown> => {
    if (value === undefined || value === null) return new Map()
    if (!(value instanceof Map)) {
      yaml.fail(path, `${nameOf(path) || String(path.at(-1) ?? 'the file')} must be a map of "key: value" lines`)
    }
    return new Map(Array.from(value, ([key, item]: [unknown, unknown]) => [String(key), item]))
  }
  const text = (value: unknown, path: YamlPath): string => {
    if (value === undefined || value === null) return ''
    if (typeof value !== 'string') yaml.fail(path, `${nameOf(path)} must be a text, not a list or map`)
    return value
  }
  return {
    map,
    text,
    /** A map that has only `known` keys: a near miss is an error, another one a warning; `x-` and more is anybody's. */
    fields(path: YamlPath, what: string, known: readonly string[], value: unknown = path.length === 0 ? yaml.root : undefined) {
      const fields = map(value, path)
      for (const key of fields.keys()) {
        if (known.includes(key) || key.startsWith('x-')) continue
        const place = yaml.placeOf([...path, key], 'key')
        const meant = nearest(key, known)
        if (meant) throw new BrambleError('INVALID', `${place}: ${what} has no "${key}": did you mean "${meant}"?`)
        warnings.push(`${place}: ${what} has no "${key}": it is ignored`)
      }
      return fields
    },
    texts(value: unknown, path: YamlPath): Record<string, string> {
      return Object.fromEntries([...map(value, path)].map(([key, item]) => [key, text(item, [...path, key])]))
    },
    list(value: unknown, path: YamlPath): string[] {
      if (value === undefined || value === null) return []
      if (!Array.isArray(value)) yaml.fail(path, `${nameOf(path)} must be a list of "- item" lines`)
      return value.map((item: unknown, index) => text(item, [...path, index]))
    },
    flag(value: unknown, path: YamlPath): boolean {
      const written = text(value, path).toLowerCase()
      if (['true', 'yes', 'on', 'y'].includes(written)) return true
      if (['', 'false', 'no', 'off', 'n'].includes(written)) return false
      return yaml.fail(path, `${nameOf(path)} must be true or false, not "${written}"`)
    },
  }
}
