/** What a check of a stack file has found. */
import { BrambleError } from '../lib/errors.ts'

export type Finding = {
  /** An error is refused by the platform the check is for; a warning has no effect there, or another one than meant. */
  readonly level: 'error' | 'warning'
  /** Absent for what is about the whole file. */
  readonly function?: string
  /** Keys below the function: `['labels', 'com.openfaas.scale.min']`. */
  readonly field: readonly string[]
  /** What is wrong, and what to do. */
  readonly message: string
}

/** What `check` refuses, as a finding. */
export function findingOf(name: string, field: readonly string[], check: () => unknown): readonly Finding[] {
  try {
    check()
    return []
  } catch (error) {
    if (!(error instanceof BrambleError)) throw error
    return [{ level: 'error', function: name, field, message: error.message }]
  }
}
