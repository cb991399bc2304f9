/** The registries a platform reads from, opened when they are first asked for. */
import { readFile } from 'node:fs/promises'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Credentials } from './credentials.ts'
import { createRegistry, type Registry } from './registry.ts'

export type RegistriesDeps = {
  readonly credentials: Credentials
  /** A file with certificates that are trusted besides the system's. */
  readonly caFile: string | undefined
  /** HOST:PORT of those that may do without TLS. */
  readonly insecure: readonly string[]
  readonly userAgent: string
}

export type Registries = {
  open(name: string): Promise<Registry>
  close(): void
}

export function createRegistries({ credentials, caFile, insecure, userAgent }: RegistriesDeps): Registries {
  const opened = new Map<string, Registry>()
  return {
    async open(name) {
      const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8').catch((cause: unknown) => {
        throw new BrambleError('UNAVAILABLE', `the certificates in ${caFile} cannot be read: ${reasonOf(cause)}`, { cause })
      })
      const known = opened.get(name) ?? createRegistry({ name, credentials, ca, isInsecure: insecure.includes(name), userAgent })
      opened.set(name, known)
      return known
    },
    close() {
      for (const registry of opened.values()) registry.close()
      opened.clear()
    },
  }
}
