/**
 * A real Kubernetes of several nodes for a test: `harness/cluster.sh` as an object. The suite's runner starts one for
 * all its files; a test that needs other settings starts its own beside it.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

export type ClusterOptions = {
  /** Zero 2Ws beside the Pi 4B. */
  readonly workers?: number
  /** A worker's memory, its daemons and pods together. */
  readonly zeroMemMib?: number
  /** A worker's share of one core, in percent. */
  readonly zeroCpuPercent?: number
  /** Memory of a worker that the scheduler may not give to pods. */
  readonly zeroReservedMib?: number
  /** It refuses more; Kubernetes's own is 110. */
  readonly zeroMaxPods?: number
  /** Below this much free memory a worker evicts: `40Mi`. */
  readonly evictMemory?: string
  /** After how long without a word a node is lost; Kubernetes's own is 50 s. */
  readonly monitorGraceSeconds?: number
  /** Environment of the nodes' daemons: `GOGC=30`. */
  readonly nodeGoEnv?: string
}

export type ClusterNode = {
  readonly name: string
  readonly address: string
  /** All its processes end at once; the network hears of it. */
  stop(): Promise<void>
  /** The same, and nobody hears of it. */
  powerOff(): Promise<void>
  /** After `stop` or `powerOff`; resolves while it boots. */
  start(): Promise<void>
  /** Pulls the network cable. */
  cut(): Promise<void>
  restore(): Promise<void>
  /** Each packet to the node waits so long from now on; 0 lets go of all that wait. */
  delay(delayMs: number): Promise<void>
  /** Runs a program of this machine inside the node; answers what it printed. */
  run(...command: readonly string[]): Promise<string>
  /** What a service of the node wrote: kubelet, containerd, kube-proxy; on pi4 apiserver, controllers, … too. */
  logs(service: string): Promise<string>
}

export type Cluster = AsyncDisposable & {
  /** Which of several on this machine. */
  readonly number: string
  /** The path of an administrator's kubeconfig. */
  readonly kubeconfig: string
  /** HOST:PORT of the cluster's registry: plain HTTP, no credentials. */
  readonly registry: string
  /** An image that is Node: `args: ['-e', 'code']`. */
  readonly nodeImage: string
  /** All of them, the Pi 4B first. */
  readonly nodes: readonly string[]
  node(name: string): ClusterNode
  readonly api: { stop(): Promise<void>; start(): Promise<void> }
  /** After the API server was away: whoever waits before he looks at it again, for up to a minute, does so now. */
  settle(): Promise<void>
  /** Answers what kubectl printed; its complaint is the error's message. */
  kubectl(...args: readonly string[]): Promise<string>
  /** `kubectl get ARGS -o json`, parsed. */
  get(...args: readonly string[]): Promise<unknown>
  /** Applies objects; server-side, as it is used on stacks. */
  apply(...objects: readonly object[]): Promise<void>
  /** Pushes an OCI layout folder; answers the reference pods use. The digest chooses among several images. */
  push(layoutFolder: string, name: string, digest?: string): Promise<string>
  /** From now on nodes find images of this registry, HOST or HOST:PORT, in the cluster's own. */
  mirror(registry: string): Promise<void>
}

const harness = join(import.meta.dirname, 'harness')
/** Up takes 15 s on two idle cores; a busy machine may take far longer. */
const COMMAND_LIMIT_MS = 300_000
const DEFAULT_WORKERS = 2
/** Clusters 0 to 4 are for people, 5 to 9 for what their tests start beside them. */
const BESIDE = 5

/** The number of the cluster that the suite's runner has started, if it has. */
const sharedNumber = process.env['BRAMBLE_CLUSTER_SHARED']
const ownNumber = process.env['BRAMBLE_CLUSTER'] ?? '0'

/**
 * Without options this is the suite's cluster, where there is one, and disposing leaves it as it is. Otherwise a new one
 * starts, and disposing ends it.
 */
export async function startCluster(options?: ClusterOptions): Promise<Cluster> {
  if (sharedNumber !== undefined && options === undefined) return openCluster(sharedNumber)
  return makeCluster(sharedNumber === undefined ? ownNumber : besideOf(sharedNumber), options ?? {})
}

/** Ends what a test that was killed has left beside the shared cluster. */
export async function cleanBeside(shared: string): Promise<void> {
  await commandOf(besideOf(shared))(['down'])
}

/** The number of what a test starts beside cluster `shared`. */
export function besideOf(shared = sharedNumber ?? ownNumber): string {
  return String((Number(shared) + BESIDE) % 10)
}

async function makeCluster(number: string, options: ClusterOptions): Promise<Cluster> {
  const command = commandOf(number, options)
  await command(['up', String(options.workers ?? DEFAULT_WORKERS)])
  const cluster = await openCluster(number)
  return { ...cluster, [Symbol.asyncDispose]: async () => { await command(['down']) } }
}

async function openCluster(number: string): Promise<Cluster> {
  const command = commandOf(number)
  const kubeconfig = (await command(['kubeconfig'])).trim()
  const lan = `10.47.${number}`
  const registry = `${lan}.10:5000`
  const kubectl = (...args: readonly string[]): Promise<string> => command(['kubectl', ...args])
  const names = (await kubectl('get', 'nodes', '-o', 'name')).trim().split('\n').map((line) => line.replace('node/', ''))
  return {
    number, kubeconfig, registry, kubectl,
    nodeImage: `${registry}/node:1`,
    nodes: names,
    node: (name) => nodeOf(command, name, `${lan}.${name === 'pi4' ? 10 : 10 + Number(name.replace('zero-', ''))}`),
    api: {
      stop: async () => { await command(['api', 'stop']) },
      start: async () => { await command(['api', 'start']) },
    },
    settle: async () => { await command(['settle']) },
    get: async (...args) => JSON.parse(await kubectl('get', ...args, '-o', 'json')),
    async apply(...objects) {
      const list = { apiVersion: 'v1', kind: 'List', items: objects }
      await command(['kubectl', 'apply', '--server-side', '-f', '-'], JSON.stringify(list))
    },
    push: async (layoutFolder, name, digest) =>
      (await command(['push', layoutFolder, name, ...digest === undefined ? [] : [digest]])).trim(),
    mirror: async (name) => { await command(['mirror', name]) },
    [Symbol.asyncDispose]: async () => {},
  }
}

function nodeOf(command: Command, name: string, address: string): ClusterNode {
  const act = async (...args: readonly string[]): Promise<void> => { await command(args) }
  return {
    name, address,
    stop: () => act('node-stop', name),
    powerOff: () => act('power-off', name),
    start: () => act('node-start', name),
    cut: () => act('link', name, 'down'),
    restore: () => act('link', name, 'up'),
    delay: (delayMs) => act('netem', name, delayMs === 0 ? 'off' : `${delayMs}ms`),
    run: (...args) => command(['sh', name, ...args]),
    logs: (service) => command(['logs', name, service]),
  }
}

type Command = (args: readonly string[], input?: string) => Promise<string>

/** Runs `cluster.sh` for one cluster. Only `up` reads the settings: the cluster remembers them. */
function commandOf(number: string, options: ClusterOptions = {}): Command {
  const settings = {
    ZERO_MEM_MIB: options.zeroMemMib, ZERO_CPU_PERCENT: options.zeroCpuPercent,
    ZERO_RESERVED_MIB: options.zeroReservedMib, ZERO_MAX_PODS: options.zeroMaxPods, EVICT_MEMORY: options.evictMemory, NODE_GO_ENV: options.nodeGoEnv,
    MONITOR_GRACE: options.monitorGraceSeconds === undefined ? undefined : `${options.monitorGraceSeconds}s`,
  }
  const env = Object.fromEntries(Object.entries(settings).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]))
  return (args, input = '') => new Promise((resolve, reject) => {
    const child = spawn(join(harness, 'cluster.sh'), args, {
      env: { ...process.env, ...env, BRAMBLE_CLUSTER: number }, timeout: COMMAND_LIMIT_MS,
    })
    let output = ''
    let complaint = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { complaint += text })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output)
      reject(new Error(`cluster.sh ${args.slice(0, 4).join(' ')} ended with ${code ?? signal}: ${complaint.trim()}`))
    })
    // A command that ends without reading says so by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
