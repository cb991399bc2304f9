/** Where the Kubernetes API is and how this platform proves who it is; here with the service account of a pod. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError, reasonOf } from '../../lib/errors.ts'

export type Connection = {
  readonly url: URL
  readonly tls: {
    readonly ca?: string | Buffer | undefined
    readonly cert?: string | Buffer | undefined
    readonly key?: string | Buffer | undefined
    readonly servername?: string | undefined
    readonly rejectUnauthorized?: boolean | undefined
  }
  /** Asked before each request: tokens are renewed while the platform runs. */
  headers(): Promise<Readonly<Record<string, string>>>
}

/** Where a pod finds its account. Source: Kubernetes, "Accessing the API from a Pod". */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
/** The kubelet renews the token long before it ends, an hour by default. */
const TOKEN_AGE_MS = 60_000

/** `host` and `port` are in a pod's environment as KUBERNETES_SERVICE_HOST and _PORT. */
export type ServiceAccountOptions = { readonly host: string; readonly port: string; readonly folder?: string }

export async function connectServiceAccount(options: ServiceAccountOptions): Promise<Connection> {
  const folder = options.folder ?? SERVICE_ACCOUNT_FOLDER
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  let token = ''
  let readAtMs = -Infinity
  const readToken = async (): Promise<string> => {
    if (performance.now() - readAtMs > TOKEN_AGE_MS) {
      token = (await readFile(join(folder, 'token'), 'utf8')).trim()
      readAtMs = performance.now()
    }
    return token
  }
  try {
    const ca = await readFile(join(folder, 'ca.crt'))
    await readToken()
    return {
      url: new URL(`https://${host}:${options.port}`),
      tls: { ca },
      headers: async () => ({ authorization: `Bearer ${await readToken()}` }),
    }
  } catch (cause) {
    throw new BrambleError('UNAVAILABLE',
      `the service account in ${folder} cannot be read (${reasonOf(cause)}): ` +
      'run the platform in a pod with automountServiceAccountToken, or name a file in the setting kubeconfig', { cause })
  }
}
