/** Where the Kubernetes API is and how this platform proves who it is: a pod's service account, or a kubeconfig file. */
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
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

/** The current context of a kubeconfig file. */
export async function connectKubeconfig(file: string): Promise<Connection> {
  try {
    // Only here: the library is for the many ways of logging in that such a file may name.
    const { KubeConfig } = await import('@kubernetes/client-node')
    const config = new KubeConfig()
    config.loadFromFile(file)
    const server = config.getCurrentCluster()?.server
    if (!server) throw new Error('its current context names no cluster')
    const options: RequestOptions = {}
    await config.applyToHTTPSOptions(options)
    const { ca, cert, key, servername, rejectUnauthorized } = options
    return {
      url: new URL(server),
      tls: { ca: asText(ca), cert: asText(cert), key: asText(key), servername, rejectUnauthorized },
      async headers() {
        const fresh: RequestOptions = {}
        await config.applyToHTTPSOptions(fresh)
        const headers = Object.entries(fresh.headers ?? {}).flatMap(([name, value]): [string, string][] =>
          typeof value === 'string' ? [[name.toLowerCase(), value]] : [])
        if (typeof fresh.auth === 'string') headers.push(['authorization', `Basic ${Buffer.from(fresh.auth).toString('base64')}`])
        return Object.fromEntries(headers)
      },
    }
  } catch (cause) {
    throw new BrambleError('UNAVAILABLE', `the kubeconfig ${file} cannot be used: ${reasonOf(cause)}`, { cause })
  }
}

function asText(value: unknown): string | Buffer | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : undefined
}
