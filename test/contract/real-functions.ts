/** The scenarios over a provider whose functions are real: which, and how. */
import { observe } from '../../platform/metrics/invocations.ts'
import { serviceName } from '../../platform/openfaas/names.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import type { Gateway } from '../../platform/gateway/gateway.ts'
import { replay } from './replay.ts'
import { loadServerScenarios, type Scenario } from './scenario.ts'

const fixedLogs = 'lines of fixed times and instances cannot be written by a real process'
const fixedReplicas = 'asked-for replicas that are not ready cannot be held in that state'

/** What a real provider cannot be made to show; all of it is replayed over the seeded provider. */
export const exceptions: Readonly<Record<string, string>> = {
  'list-json': fixedReplicas,
  'describe-minimal': fixedReplicas,
  'ready-function-not-yet': fixedReplicas,
  'logs-no-follow': fixedLogs,
  'logs-follow-until-end': fixedLogs,
  'logs-since-time': fixedLogs,
  'logs-lines': fixedLogs,
  'logs-lines-zero': fixedLogs,
  'logs-instance': fixedLogs,
  'logs-json': fixedLogs,
  'logs-keyvalue': fixedLogs,
  'logs-namespace': fixedLogs,
}

/** Compared by kind: when a real function was made and what it uses is not ours to say. */
const measured = new Set(['createdAt', 'usage'])
const ownNames = new Set(['release', 'sha', 'provider', 'orchestration', 'arch'])

export function loadRealScenarios(): Scenario[] {
  return loadServerScenarios().filter(({ name }) => !Object.hasOwn(exceptions, name))
}

/** What differs from the recording, on a gateway whose provider has been brought into the given state. */
export async function replayReal(scenario: Scenario, gateway: Gateway): Promise<string[]> {
  // The count of calls is the gateway's own: as if so many had ended.
  for (const { deployment, invocationCount = 0 } of scenario.given?.functions ?? []) {
    const series = [...gateway.snapshot().functions].find(({ name }) => name === serviceName(parseDeployment(deployment)))
    for (let count = 0; count < invocationCount && series; count++) observe(series, 200, 0)
  }
  return replay(scenario, gateway.url(), { loose: scenario.name.startsWith('version-') ? ownNames : measured })
}
