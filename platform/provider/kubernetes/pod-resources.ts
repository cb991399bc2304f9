/** What a replica may use and what is kept free for it. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import { parseCpu, parseMemory } from '../../openfaas/quantity.ts'
import type { FunctionResources, FunctionSpec } from '../../openfaas/types.ts'

/** An idle Node pod takes 13 to 15 MiB of a Zero 2W, a busy one twice that: eight to ten fit its 416 MiB. */
const REQUEST_MEMORY = '32Mi'
const REQUEST_CPU = '20m'
/** Without a limit V8 sizes its heap by the whole machine, and one leak takes the node with it. */
const LIMIT_MEMORY = '128Mi'

type Resources = Readonly<Record<string, string>>

/** `INVALID` when a request is more than its limit. No CPU limit by default: an idle core helps a cold start. */
export function resourcesOf({ name, limits = {}, requests = {} }: Pick<FunctionSpec, 'name' | 'limits' | 'requests'>): {
  readonly limits: Resources
  readonly requests: Resources
} {
  const limitMemory = limits.memory ?? larger(LIMIT_MEMORY, requests.memory, parseMemory)
  const requestMemory = requests.memory ?? smaller(REQUEST_MEMORY, limitMemory, parseMemory)
  const requestCpu = requests.cpu ?? smaller(REQUEST_CPU, limits.cpu, parseCpu)
  if (parseMemory(requestMemory, 'requests.memory') > parseMemory(limitMemory, 'limits.memory')) {
    throw new BrambleError('INVALID', `requests.memory ${requestMemory} of function ${name} is more than limits.memory ${limitMemory}`)
  }
  if (limits.cpu !== undefined && parseCpu(requestCpu, 'requests.cpu') > parseCpu(limits.cpu, 'limits.cpu')) {
    throw new BrambleError('INVALID', `requests.cpu ${requestCpu} of function ${name} is more than limits.cpu ${limits.cpu}`)
  }
  // Of these Kubernetes wants both to be the same.
  const devices = { ...devicesOf(requests), ...devicesOf(limits) }
  return {
    limits: { memory: limitMemory, ...(limits.cpu === undefined ? {} : { cpu: limits.cpu }), ...devices },
    requests: { memory: requestMemory, cpu: requestCpu, ...devices },
  }
}

function devicesOf(resources: FunctionResources): Resources {
  return Object.fromEntries(Object.entries(resources).filter(([name]) => name.endsWith('/gpu')))
}

function larger(fallback: string, other: string | undefined, parse: (text: string, field: string) => number): string {
  return other !== undefined && parse(other, 'requests.memory') > parse(fallback, 'default') ? other : fallback
}

function smaller(fallback: string, other: string | undefined, parse: (text: string, field: string) => number): string {
  return other !== undefined && parse(other, 'limits') < parse(fallback, 'default') ? other : fallback
}
