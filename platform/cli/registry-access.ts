/** How a command gets to registries: the options and variables that name credentials, authorities and exceptions. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { createCredentials } from '../image/credentials.ts'
import { parseRegistryName } from '../image/reference.ts'
import { createRegistry, type Registry } from '../image/registry.ts'
import type { Io, OptionSpecs, OptionValues } from './command.ts'
import { paint, tell } from './terminal.ts'
import { readVersion } from './version.ts'

export const registryOptions = {
  'registry-auth': { type: 'string', value: 'FILE', meaning: 'credentials like Docker\'s config.json (else registry_auth_file, then Docker\'s own)' },
  'registry-ca': { type: 'string', value: 'FILE', meaning: 'certificate authority of the registry, PEM (else registry_ca_file)' },
  'insecure-registry': { type: 'string', multiple: true, value: 'HOST:PORT', meaning: 'a registry that may do without TLS (else insecure_registries, with commas)' },
} as const satisfies OptionSpecs

type RegistryValues = Partial<OptionValues<typeof registryOptions>>

export type RegistryAccess = {
  /** The same client for the same name. */
  open(name: string): Promise<Registry>
  /** Who tells that something is tried again, while he draws on the terminal; nobody, and it is a line of its own. */
  tellThrough(teller?: (line: string) => void): void
  /** Ends all connections. */
  close(): void
}

/** Reads nothing before a registry is opened. */
export function createRegistryAccess(io: Io, options: RegistryValues): RegistryAccess {
  const open = new Map<string, Registry>()
  const auth = options['registry-auth'] ?? (io.env['registry_auth_file'] || undefined)
  const credentials = createCredentials({
    file: auth === undefined ? undefined : resolve(io.cwd, auth),
    dockerFolder: io.env['DOCKER_CONFIG'] || join(io.env['HOME'] || homedir(), '.docker'),
    env: io.env,
  })
  const insecure = insecureRegistries(io, options)
  const plainly = (line: string): void => tell(io, line)
  let teller = plainly
  let ca: Promise<string | undefined> | undefined

  return {
    async open(name) {
      ca ??= readCa(io, options['registry-ca'] ?? (io.env['registry_ca_file'] || undefined))
      const pem = await ca
      const known = open.get(name)
      if (known) return known
      // A file that somebody named is looked at even where no password is asked for: a typo in it is told.
      if (auth !== undefined) await credentials.find(name, '')
      const registry = createRegistry({
        name, credentials, ca: pem, isInsecure: insecure.includes(name), userAgent: `bramble/${readVersion().release}`,
        onRetry: (reason, pauseMs) => teller(paint(io, 'yellow', `${reason}; trying again${pauseMs >= 1_000 ? ` in ${Math.round(pauseMs / 1_000)} s` : ''}`)),
      })
      open.set(name, registry)
      return registry
    },
    tellThrough(other = plainly) { teller = other },
    close() {
      for (const registry of open.values()) registry.close()
      open.clear()
    },
  }
}

/** HOST:PORT of those that may do without TLS. */
export function insecureRegistries(io: Io, options: Pick<RegistryValues, 'insecure-registry'>): readonly string[] {
  const named = options['insecure-registry'] ?? []
  return (named.length > 0 ? named : (io.env['insecure_registries'] ?? '').split(',').map((one) => one.trim()).filter(Boolean)).map(parseRegistryName)
}

async function readCa(io: Io, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = await readFile(resolve(io.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new BrambleError('INVALID', `the certificate authority ${file} ${hasCode(cause, 'ENOENT') ? 'does not exist' : `cannot be read: ${reasonOf(cause)}`}`, { cause })
  })
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new BrambleError('INVALID', `${file} holds no certificate: it must be PEM, beginning with -----BEGIN CERTIFICATE-----`)
}
