/**
 * The way to a cluster that a kubeconfig file describes, with the many ways of logging in that it may name. Loaded only
 * where there is such a file: the library costs more memory than all the rest of this adapter.
 */
import { KubeConfig } from '@kubernetes/client-node'
import type { RequestOptions } from 'node:https'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Connection } from './connection.ts'

/** The current context of a kubeconfig file. */
export async function connectKubeconfig(file: string): Promise<Connection> {
  try {
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
