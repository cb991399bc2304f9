/** Which gateway, stack file and functions a command is about: the options that many commands share. */
import { BrambleError } from '../lib/errors.ts'
import { splitServiceName } from '../openfaas/names.ts'
import { selectFunctions } from '../stack/filter.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import { findStackFile, readStack, type StackFile } from '../stack/read-stack.ts'
import { createClient, type Client } from './client.ts'
import type { Io, OptionSpecs, OptionValues } from './command.ts'
import { findCredentials } from './credentials.ts'
import { paint, tell } from './terminal.ts'
import { readVersion } from './version.ts'

export const DEFAULT_GATEWAY = 'http://127.0.0.1:8080'

export const gatewayOptions = {
  gateway: { type: 'string', short: 'g', value: 'URL', meaning: `gateway (else that of the stack file, OPENFAAS_URL, ${DEFAULT_GATEWAY})` },
  namespace: { type: 'string', short: 'n', value: 'NAME', meaning: 'namespace of the function' },
} as const satisfies OptionSpecs

export const stackOptions = {
  yaml: { type: 'string', short: 'f', value: 'FILE', meaning: 'stack file (else stack.yaml or stack.yml here)' },
  filter: { type: 'string', value: 'GLOB', meaning: 'only functions whose name matches, as in "auth-*"' },
  regex: { type: 'string', value: 'PATTERN', meaning: 'only functions whose name matches this expression' },
  envsubst: { type: 'boolean', meaning: 'replace ${VAR} in the stack file; --envsubst=false leaves it' },
} as const satisfies OptionSpecs

type GatewayValues = Partial<OptionValues<typeof gatewayOptions>>
type StackValues = Partial<OptionValues<typeof stackOptions>>

export async function openStack(io: Io, options: StackValues): Promise<StackFile> {
  const stack = await readStack({ cwd: io.cwd, file: options.yaml, variables: options.envsubst === false ? undefined : io.env })
  for (const warning of stack.warnings) tell(io, paint(io, 'yellow', `warning: ${warning}`))
  return stack
}

/** Those that `--filter`, `--regex` and the names leave. `INVALID` when none is. */
export function chosenFunctions(stack: StackFile, options: StackValues, names: readonly string[]): readonly StackFunction[] {
  if (stack.functions.length === 0) throw new BrambleError('INVALID', `${stack.path} has no functions`)
  return selectFunctions(stack.functions, { filter: options.filter, regex: options.regex, names })
}

/** The gateway a command talks to. A stack file that is not asked for is still looked at, as faas-cli does. */
export async function openGateway(io: Io, options: GatewayValues & StackValues, stack?: StackFile): Promise<Client> {
  const url = await gatewayUrl(io, options, stack)
  return createClient({ url, credentials: await findCredentials(io, url), userAgent: `bramble/${readVersion().release}` })
}

/** A default that is written down counts as not said, as for faas-cli. */
async function gatewayUrl(io: Io, options: GatewayValues & StackValues, stack: StackFile | undefined): Promise<string> {
  const said = options.gateway === undefined ? DEFAULT_GATEWAY : normalUrl(options.gateway, '--gateway')
  if (said !== DEFAULT_GATEWAY) return said
  const read = stack ?? (options.yaml !== undefined || findStackFile(io.cwd) ? await openStack(io, options) : undefined)
  const written = read?.gateway === undefined ? DEFAULT_GATEWAY : normalUrl(read.gateway, `provider.gateway in ${read.path}`)
  if (written !== DEFAULT_GATEWAY) return written
  const variable = io.env['OPENFAAS_URL']
  return variable ? normalUrl(variable, 'OPENFAAS_URL') : DEFAULT_GATEWAY
}

function normalUrl(text: string, origin: string): string {
  const lower = text.trim().toLowerCase()
  const url = /^[a-z][a-z0-9+.-]*:\/\//.test(lower) ? lower : `http://${lower}`
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url.replace(/\/+$/, '')
  throw new BrambleError('INVALID', `${origin} "${text}" is not a URL like ${DEFAULT_GATEWAY}`)
}

/** `hello`, `hello.staging`, or `hello` with `-n staging`; no namespace means the gateway's default one. */
export function functionRef(name: string, namespace: string | undefined): { readonly name: string; readonly namespace: string | undefined } {
  if (!name.includes('.')) return { name, namespace: namespace || undefined }
  const split = splitServiceName(name)
  if (namespace && namespace !== split.namespace) {
    throw new BrambleError('INVALID', `"${name}" names namespace ${split.namespace}, but -n says ${namespace}`)
  }
  return split
}

export function functionUrl(url: string, ref: { readonly name: string; readonly namespace?: string | undefined }): string {
  return `${url}/function/${ref.name}${ref.namespace ? `.${ref.namespace}` : ''}`
}
