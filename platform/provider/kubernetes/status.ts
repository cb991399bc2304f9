/** What the cluster's objects say about a function, in words. Pure. */
import type { FunctionCondition, FunctionStatus } from '../../openfaas/types.ts'
import type { ContainerEnd, DeploymentView, PodView } from './objects.ts'

export type StatusFacts = {
  readonly deployment: DeploymentView
  readonly pods: readonly PodView[]
  readonly isServing: (pod: PodView) => boolean
  /** The version whose pods take the calls. */
  readonly shown: string | undefined
  readonly nowMs: number
  /** How long a replica may take to become ready before that is worth a word. */
  readonly readyDeadlineMs: number
}

/** How long an end for want of memory is shown when it stays the only one. */
const SHOW_OUT_OF_MEMORY_MS = 10 * 60_000
/** One end alone is an accident. */
const LOOP_RESTARTS = 2
/** A pod that finds no node at once may find one when another has gone. */
const UNSCHEDULABLE_MS = 2_000
const MAX_LAST_LINES = 20

export function statusOf(facts: StatusFacts): FunctionStatus {
  const { deployment, isServing } = facts
  const pods = facts.pods.filter((pod) => !pod.isLeaving && pod.incarnation === deployment.incarnation)
  const serving = pods.filter((pod) => isServing(pod) && pod.ip !== undefined)
  const shown = serving.filter(({ revision }) => revision === (facts.shown ?? deployment.revision))
  return {
    spec: deployment.spec,
    replicas: deployment.replicas,
    availableReplicas: deployment.replicas === 0 ? 0 : Math.min(shown.length, deployment.replicas),
    createdAt: new Date(deployment.createdAtMs),
    conditions: conditionsOf(facts, pods, shown),
  }
}

function conditionsOf(facts: StatusFacts, pods: readonly PodView[], shown: readonly PodView[]): readonly FunctionCondition[] {
  const { deployment } = facts
  if (deployment.replicas === 0) return []
  // Kubernetes keeps pods that were evicted as a notice; once they are replaced nobody needs it.
  const isReplaced = (pod: PodView): boolean => pod.phase === 'Failed' && shown.length >= deployment.replicas
  const current = pods.filter((pod) => pod.revision === deployment.revision && !isReplaced(pod))
  const isUpdating = shown.length > 0 && facts.shown !== undefined && facts.shown !== deployment.revision
  const found = [
    ...(deployment.trouble === undefined ? [] : [{ reason: 'NotReady' as const, message: `no replica can be made: ${deployment.trouble}` }]),
    ...current.flatMap((pod) => troubleOf(facts, pod) ?? []),
  ]
  // All replicas of a version fail alike: one of each kind says it.
  const conditions = [...new Map(found.map((one) => [one.reason, one])).values()]
  if (isUpdating && conditions.length > 0) {
    return conditions.slice(0, 1).map((one) => ({ ...one, reason: 'UpdateFailed', message: `the new version does not start, the old one serves: ${one.message}` }))
  }
  if (conditions.length > 0) return conditions
  if (isUpdating) return [{ reason: 'Starting', message: 'a new version is starting; the old one serves' }]
  if (shown.length < deployment.replicas) {
    return [{ reason: 'Starting', message: `${shown.length} of ${deployment.replicas} replicas are ready` }]
  }
  return []
}

function troubleOf(facts: StatusFacts, pod: PodView): FunctionCondition | undefined {
  const { deployment, nowMs, readyDeadlineMs } = facts
  const { lastEnd, waiting } = pod
  const isServing = facts.isServing(pod)
  if (lastEnd && isOutOfMemory(lastEnd) && (!isServing || nowMs - (lastEnd.finishedAtMs ?? 0) < SHOW_OUT_OF_MEMORY_MS)) {
    return make('OutOfMemory', `replica ${pod.name} used more memory than its limit and was ended${times(pod)}: raise limits.memory`, lastEnd)
  }
  if (isServing) return undefined
  const ageMs = nowMs - pod.createdAtMs
  if (pod.unschedulable !== undefined) {
    return ageMs < UNSCHEDULABLE_MS ? undefined : make('NotReady', `no node takes replica ${pod.name}: ${unschedulableWords(pod.unschedulable, deployment.spec.constraints)}`)
  }
  if (pod.phase === 'Failed') {
    return make('NotReady', `replica ${pod.name} was given up by its node: ${[pod.reason, pod.reasonMessage].filter(Boolean).join(', ') || 'no reason given'}`)
  }
  const image = waiting && imageWords(waiting.reason, waiting.message, pod.name)
  if (image) return make('NotReady', image)
  if (lastEnd && isWrongMachine(lastEnd)) {
    return make('NotReady', `replica ${pod.name} cannot run on node ${pod.node}: its image is built for another CPU (${firstLine(lastEnd.message)}); build it for arm64 and amd64`)
  }
  if (lastEnd && isUnstartable(lastEnd)) {
    return make('NotReady', `replica ${pod.name} cannot start: ${firstLine(lastEnd.message)}`)
  }
  if (lastEnd && (waiting?.reason === 'CrashLoopBackOff' || pod.restarts >= LOOP_RESTARTS || (pod.restarts > 0 && !pod.isRunning))) {
    return make('CrashLoop', `replica ${pod.name} ended with ${endWords(lastEnd)}${times(pod)}`, lastEnd)
  }
  if (ageMs > readyDeadlineMs) {
    const where = pod.node === undefined ? 'no node has it yet' : pod.isRunning ? `it runs on ${pod.node} and does not answer its probe` : `${waiting?.reason || pod.phase} on ${pod.node}`
    return make('NotReady', `replica ${pod.name} is not ready after ${Math.round(ageMs / 1000)} s: ${where}${waiting?.message ? ` (${firstLine(waiting.message)})` : ''}`, lastEnd)
  }
  return undefined
}

function imageWords(reason: string, message: string, pod: string): string | undefined {
  const image = /"([^"]+)"/.exec(message)?.[1] ?? 'its image'
  if (/^(?:ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|ImageInspectError|RegistryUnavailable)$/.test(reason)) {
    if (/no match for platform|does not match the specified platform|exec format/i.test(message)) {
      return `image ${image} of replica ${pod} is not built for the CPU of its node: build it for arm64 and amd64`
    }
    if (/not found|manifest unknown|NotFound|name unknown/i.test(message)) {
      return `image ${image} of replica ${pod} is not in its registry: push it, or correct its name`
    }
    if (/unauthorized|denied|forbidden|no basic auth|40[13]/i.test(message)) {
      return `image ${image} of replica ${pod} may not be pulled: name a secret of type kubernetes.io/dockerconfigjson in the function's secrets`
    }
    if (/server gave HTTP response|x509|certificate/i.test(message)) {
      return `image ${image} of replica ${pod} cannot be pulled: its registry is not trusted by the node (${firstLine(message)})`
    }
    return `image ${image} of replica ${pod} cannot be pulled${message ? `: ${firstLine(message)}` : ''}`
  }
  if (/^(?:CreateContainerConfigError|CreateContainerError|RunContainerError)$/.test(reason)) {
    if (/exec format error/i.test(message)) return `replica ${pod} cannot run: its image is built for another CPU; build it for arm64 and amd64`
    return `replica ${pod} cannot be created: ${firstLine(message)}`
  }
  return undefined
}

/** The scheduler's sentence, with what it means for a cluster of small boards. */
function unschedulableWords(message: string, constraints: readonly string[]): string {
  const why = [
    /Insufficient memory/.test(message) ? 'no node has enough free memory (lower requests.memory, scale something down or add a board)' : '',
    /Insufficient cpu/.test(message) ? 'no node has enough free CPU (lower requests.cpu)' : '',
    /Too many pods/.test(message) ? 'the nodes are full (too many pods)' : '',
    /volume node affinity conflict|PersistentVolume's node affinity/.test(message) ? 'its volume lies on another board than it may run on (correct the labels of the boards or the constraints)' : '',
    /untolerated taint/.test(message) && !/Insufficient|Too many/.test(message) ? 'the nodes that are left do not take functions (taints)' : '',
    /persistentvolumeclaim/i.test(message) ? 'its volume is not there yet' : '',
  ].filter((words) => words !== '')
  if (/didn't match Pod's node affinity\/selector/.test(message)) {
    const labels = constraints.join(' ')
    const named = `label${constraints.length === 1 ? '' : 's'} ${labels}`
    why.push(why.length === 0
      ? `no node has the ${named} that the constraints ask for (kubectl label node NAME ${labels})`
      : `the other nodes have not the ${named} that the constraints ask for`)
  }
  return why.length > 0 ? `${why.join('; ')} [${firstLine(message)}]` : firstLine(message)
}

function isOutOfMemory({ reason }: ContainerEnd): boolean {
  return reason === 'OOMKilled'
}

function isWrongMachine({ message }: ContainerEnd): boolean {
  return /exec format error|cannot execute binary file/i.test(message)
}

/** The container runtime could not start it: there is no program of that name, for example. */
function isUnstartable({ reason }: ContainerEnd): boolean {
  return reason === 'StartError' || reason === 'ContainerCannotRun'
}

function endWords({ code, reason }: ContainerEnd): string {
  return code > 128 && code < 160 ? `code ${code} (signal ${code - 128})` : `code ${code}${reason && reason !== 'Error' && reason !== 'Completed' ? ` (${reason})` : ''}`
}

function times({ restarts }: PodView): string {
  return restarts < LOOP_RESTARTS ? '' : ` (${restarts} times)`
}

function make(reason: FunctionCondition['reason'], message: string, end?: ContainerEnd): FunctionCondition {
  const lastLines = (end?.message ?? '').split('\n').map((line) => line.trimEnd()).filter((line) => line !== '').slice(-MAX_LAST_LINES)
  return { reason, message, ...(lastLines.length > 0 ? { lastLines } : {}) }
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
