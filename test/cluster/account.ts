/** A kubeconfig of the platform's own account: what the platform may not do, its tests cannot do either. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { listAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import type { Cluster } from './cluster.ts'

/** Longer than any test file takes. */
const TOKEN_DURATION = '4h'

export async function clusterAccount(cluster: Cluster, account = 'bramble', namespace = 'openfaas'): Promise<string> {
  const admin: unknown = parse(await readFile(cluster.kubeconfig, 'utf8'))
  const [entry] = listAt(admin, 'clusters')
  const token = (await cluster.kubectl('-n', namespace, 'create', 'token', account, `--duration=${TOKEN_DURATION}`)).trim()
  const authority = textAt(entry, 'cluster', 'certificate-authority-data') ??
    (await readFile(textAt(entry, 'cluster', 'certificate-authority') ?? '')).toString('base64')
  const file = join(await mkdtemp(join(tmpdir(), 'bramble-account-')), 'kubeconfig')
  await writeFile(file, JSON.stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': 'it',
    clusters: [{ name: 'it', cluster: { server: textAt(entry, 'cluster', 'server'), 'certificate-authority-data': authority } }],
    users: [{ name: 'it', user: { token } }],
    contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
  }), { mode: 0o600 })
  return file
}
