/** `bramble secret create | update | list | remove` */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { checkSecretName } from '../openfaas/names.ts'
import { nearest } from '../stack/nearest.ts'
import { type Client, failure, type Reply } from './client.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { gatewayLogin, listSecrets, randomSecret } from './missing-secrets.ts'
import { isAccepted } from './rollout.ts'
import { gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, print, tell } from './terminal.ts'

const actions = ['create', 'update', 'list', 'remove'] as const
const USAGE = 'create|update|remove NAME, or list [options]'
/** Kubernetes takes no more. */
const MAX_SECRET_BYTES = 1_048_576

type ValueOptions = {
  readonly 'from-file'?: string | undefined
  readonly 'from-literal'?: string | undefined
  readonly generate?: boolean | undefined
  readonly 'gateway-login'?: boolean | undefined
  readonly trim?: boolean | undefined
}

export const secret = createCommand({
  name: 'secret',
  usage: 'create|update|list|remove [NAME] [options]',
  summary: 'keeps the secrets that functions read as files',
  details: 'The value comes from standard input or a file: it is never shown again, and is not in the history of the shell.\n' +
    'Functions read it from /var/openfaas/secrets/NAME; a new value reaches them with the next deployment.',
  options: {
    ...gatewayOptions,
    'from-file': { type: 'string', value: 'FILE', meaning: 'take the value from a file, byte for byte' },
    'from-literal': { type: 'string', value: 'TEXT', meaning: 'take the value from the command line (others can see it there)' },
    generate: { type: 'boolean', meaning: 'make a random value: 64 hexadecimal digits' },
    'gateway-login': { type: 'boolean', meaning: 'take the user and password of the gateway itself, USER:PASSWORD' },
    trim: { type: 'boolean', meaning: 'remove white space around the value (standard input: unless --trim=false)' },
    replace: { type: 'boolean', meaning: 'with create: update the secret if it is there already' },
    json: { type: 'boolean', meaning: 'with list: as JSON' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
  },
  async run({ options, args, io }) {
    const [action, ...rest] = args
    const { namespace } = options
    switch (action) {
      case 'list': {
        takeArguments('secret list', '[options]', rest, 0)
        const client = await openGateway(io, options)
        const names = await listSecrets(client, namespace)
        if (options.json) print(io, JSON.stringify(names.map((name) => ({ name }))))
        else for (const name of names) print(io, name)
        return 0
      }
      case 'create':
      case 'update': {
        const name = nameFrom(action, rest)
        const typed = options['gateway-login'] ? undefined : await readValue(io, options)
        const client = await openGateway(io, options)
        const value = typed ?? await readLogin(client, options)
        const body = { name, ...(namespace ? { namespace } : {}), value: value.toString('utf8'), rawValue: value.toString('base64') }
        let reply = await client.system(action === 'create' ? 'POST' : 'PUT', '/system/secrets', { json: body })
        const isReplaced = action === 'create' && reply.status === 409 && options.replace === true
        if (isReplaced) reply = await client.system('PUT', '/system/secrets', { json: body })
        accept(reply, `secret ${name}`)
        print(io, `secret ${name}: ${action === 'create' && !isReplaced ? 'created' : 'updated'}`)
        return 0
      }
      case 'remove': {
        const name = nameFrom(action, rest)
        const client = await openGateway(io, options)
        accept(await client.system('DELETE', '/system/secrets', { json: { name, ...(namespace ? { namespace } : {}) } }), `secret ${name}`)
        print(io, `secret ${name}: removed`)
        return 0
      }
      default: {
        const meant = action === undefined ? undefined : nearest(action, actions)
        throw new BrambleError('INVALID', action === undefined ? `secret needs to know what to do: bramble secret ${USAGE}`
          : `secret does not know "${action}": ${meant ? `did you mean "${meant}"?` : `bramble secret ${USAGE}`}`)
      }
    }
  },
})

function nameFrom(action: string, args: readonly string[]): string {
  const [name = ''] = takeArguments(`secret ${action}`, 'NAME', args, 1)
  return checkSecretName(name)
}

function accept(reply: Reply, what: string): void {
  if (isAccepted(reply.status)) return
  const error = failure(reply)
  throw new BrambleError(error.code, `${what}: ${error.message}`, { cause: error })
}

/** What the gateway has just taken: a wrong one must not become a secret. */
async function readLogin(client: Client, options: ValueOptions): Promise<Buffer> {
  if (options['from-file'] !== undefined || options['from-literal'] !== undefined || options.generate) {
    throw new BrambleError('INVALID', 'use one of --gateway-login, --from-file, --from-literal and --generate')
  }
  accept(await client.system('GET', '/system/info'), 'the gateway')
  return Buffer.from(gatewayLogin(client))
}

/** A file is taken as it is; what is typed or piped loses the line end that nobody means. */
async function readValue(io: Io, options: ValueOptions): Promise<Buffer> {
  const { 'from-file': file, 'from-literal': literal, generate } = options
  if ([file, literal, generate || undefined].filter((one) => one !== undefined).length > 1) {
    throw new BrambleError('INVALID', 'use one of --from-file, --from-literal and --generate')
  }
  if (generate) return Buffer.from(randomSecret())
  let value: Buffer
  if (literal !== undefined) {
    tell(io, paint(io, 'yellow', 'warning: a value on the command line is seen by other users and kept by the shell: use standard input'))
    value = Buffer.from(literal)
  } else if (file !== undefined) {
    value = await readFile(resolve(io.cwd, file)).catch((cause: unknown) => {
      throw new BrambleError('INVALID', `--from-file ${file} ${hasCode(cause, 'ENOENT') ? 'does not exist' : `cannot be read: ${reasonOf(cause)}`}`, { cause })
    })
  } else {
    if (io.stdin.isTTY) tell(io, 'type the value: Ctrl-D ends it')
    value = await readAll(io.stdin)
  }
  const isTrimmed = options.trim ?? file === undefined
  const kept = isTrimmed ? trimmed(value) : value
  if (kept.byteLength === 0) throw new BrambleError('INVALID', 'the value of the secret is empty')
  if (kept.byteLength > MAX_SECRET_BYTES) throw new BrambleError('TOO_LARGE', `a secret holds at most ${MAX_SECRET_BYTES} bytes`)
  return kept
}

/** On bytes, so that what is no text survives. */
function trimmed(value: Buffer): Buffer {
  const isSpace = (byte: number | undefined): boolean => byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d)
  let start = 0
  let end = value.byteLength
  while (start < end && isSpace(value[start])) start++
  while (end > start && isSpace(value[end - 1])) end--
  return value.subarray(start, end)
}

async function readAll(stream: Io['stdin']): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk)
    bytes += buffer.byteLength
    if (bytes > MAX_SECRET_BYTES) break
    chunks.push(buffer)
  }
  if (bytes > MAX_SECRET_BYTES) throw new BrambleError('TOO_LARGE', `a secret holds at most ${MAX_SECRET_BYTES} bytes`)
  return Buffer.concat(chunks)
}
