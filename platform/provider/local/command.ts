/** How a function's process is started: program, arguments, environment. Pure. */
import { delimiter, dirname } from 'node:path'
import { parseMemory } from '../../openfaas/quantity.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { VOLUME_VARIABLE } from '../../openfaas/volume.ts'

/** What the template's bundles are started with; also when no process is named at all. */
const TEMPLATE_PROCESS = 'node index.mjs'
export const TEMPLATE_ENTRY = 'index.mjs'

/** V8's young generation: 2 MB halves the memory of a busy process and costs no speed. */
const SEMI_SPACE_MB = 2
/** Optimises in the main thread: what the threads for it leave behind is 9 of 24 MB after a thousand calls, at the same CPU a call. */
const LEAN = '--no-concurrent-recompilation'
/** What V8's old generation may take of the limit; the rest is for buffers, code and stacks. */
const OLD_SPACE_SHARE = 0.75
/** Node does not start with much less. */
const MIN_OLD_SPACE_MB = 16
const MEBIBYTE = 2 ** 20
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const

/** Marks a process as one of this platform's: a later start finds and ends those a killed platform left behind. */
export const OWNER_VARIABLE = 'BRAMBLE_OWNER'

/** What a function cannot set for itself: the platform decides these for each replica. */
const reserved: readonly string[] = [
  'port', 'metrics_port', 'host', 'fprocess', 'secret_mount_path', 'OPENFAAS_NAME', 'OPENFAAS_NAMESPACE', VOLUME_VARIABLE, OWNER_VARIABLE,
]

export type Command = { readonly program: string; readonly args: readonly string[] }

/** Whether the bundle must have the template's entry file. */
export function isTemplateProcess(spec: FunctionSpec): boolean {
  return wordsOf(spec).join(' ') === TEMPLATE_PROCESS
}

/** The words of the process split at spaces; no shell sees them. */
export function commandOf(spec: FunctionSpec, nodePath: string): Command {
  if (!isTemplateProcess(spec)) {
    const [program = '', ...args] = wordsOf(spec)
    return { program, args }
  }
  const limit = memoryLimitOf(spec)
  const oldSpace = limit === undefined ? []
    : [`--max-old-space-size=${Math.max(MIN_OLD_SPACE_MB, Math.floor(limit * OLD_SPACE_SHARE / MEBIBYTE))}`]
  return { program: nodePath, args: [`--max-semi-space-size=${SEMI_SPACE_MB}`, LEAN, ...oldSpace, TEMPLATE_ENTRY] }
}

export type Surroundings = {
  readonly port: number
  readonly metricsPort: number
  readonly temporaryFolder: string
  readonly secretsFolder: string
  readonly volumeFolder: string | undefined
  readonly nodePath: string
  readonly gatewayUrl: string
  readonly owner: string
}

/** The whole environment: nothing of the platform's own gets through. */
export function environmentOf(spec: FunctionSpec, around: Surroundings): Record<string, string> {
  return {
    PATH: [dirname(around.nodePath), ...SYSTEM_PATH].join(delimiter),
    HOME: around.temporaryFolder,
    TMPDIR: around.temporaryFolder,
    LANG: 'C.UTF-8',
    gateway_url: around.gatewayUrl,
    // A replica gets no new calls before it is told to end, so it need not wait for late ones.
    shutdown_grace: '0s',
    ...Object.fromEntries(Object.entries(spec.envVars).filter(([name]) => !reserved.includes(name))),
    OPENFAAS_NAME: spec.name,
    OPENFAAS_NAMESPACE: spec.namespace,
    fprocess: wordsOf(spec).join(' '),
    host: '127.0.0.1',
    port: String(around.port),
    metrics_port: String(around.metricsPort),
    secret_mount_path: around.secretsFolder,
    ...(around.volumeFolder !== undefined && { [VOLUME_VARIABLE]: around.volumeFolder }),
    [OWNER_VARIABLE]: around.owner,
  }
}

/** Those of the function's variables that have no effect. */
export function ignoredVariables(spec: FunctionSpec): readonly string[] {
  return Object.keys(spec.envVars).filter((name) => reserved.includes(name))
}

/** Bytes, from `limits.memory`. `INVALID` when it is not an amount. */
export function memoryLimitOf(spec: FunctionSpec): number | undefined {
  return spec.limits?.memory === undefined ? undefined : parseMemory(spec.limits.memory, 'limits.memory')
}

function wordsOf(spec: FunctionSpec): readonly string[] {
  const words = (spec.envProcess ?? '').split(' ').filter((word) => word !== '')
  return words.length > 0 ? words : TEMPLATE_PROCESS.split(' ')
}
