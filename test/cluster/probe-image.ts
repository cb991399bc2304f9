/** Puts the probe function of the provider's tests into the cluster's registry: Node's image and one layer more. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { tarBytes } from '../../platform/image/tar.ts'
import { isObject, listAt, objectAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import { writeBundle } from '../provider/probe-function.ts'
import type { Cluster } from './cluster.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Answers its reference. The same name with another version is the same tag with another content. */
export async function pushProbe(cluster: Cluster, name: string, version?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-probe-'))
  try {
    await writeBundle(folder, name, version)
    return await pushProgram(cluster, `probes/${name}:1`, {
      files: new Map([['home/function/index.mjs', await readFile(join(folder, name, 'index.mjs'))]]),
      command: ['/usr/bin/node', '/home/function/index.mjs'],
      env: ['port=8080', 'secret_mount_path=/var/openfaas/secrets'],
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

export type Program = {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly command: readonly string[]
  readonly env: readonly string[]
}

/** An image with these files on the cluster's Node image. */
export async function pushProgram(cluster: Cluster, image: string, { files, command, env }: Program): Promise<string> {
  const repository = image.replace(/:[^:]+$/, '')
  const registry = `http://${cluster.registry}/v2`
  const chunks: Uint8Array[] = []
  const entries = [...files].map(([path, content]) => ({ path, type: 'file' as const, content, mode: 0o644 }))
  for await (const chunk of tarBytes(entries)) chunks.push(chunk)
  const layer = Buffer.concat(chunks)
  const packed = gzipSync(layer)

  const base = await read(`${registry}/node/manifests/1`)
  const baseConfig = await read(`${registry}/node/blobs/${textAt(base, 'config', 'digest')}`)
  const config = Buffer.from(JSON.stringify({
    ...objectAt(baseConfig),
    config: {
      ...objectAt(baseConfig, 'config'), Entrypoint: command, Env: ['PATH=/usr/bin', ...env],
    },
    rootfs: { type: 'layers', diff_ids: [...listAt(baseConfig, 'rootfs', 'diff_ids'), digestOf(layer)] },
  }))
  for (const one of listAt(base, 'layers')) {
    await put(`${registry}/${repository}/blobs/uploads/?mount=${textAt(one, 'digest')}&from=node`, 'POST')
  }
  for (const blob of [packed, config]) await upload(`${registry}/${repository}`, blob)
  const manifest = {
    schemaVersion: 2, mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [...listAt(base, 'layers'), { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(packed), size: packed.length }],
  }
  await put(`${registry}/${repository}/manifests/${image.replace(/^.*:/, '')}`, 'PUT', Buffer.from(JSON.stringify(manifest)), MANIFEST)
  return `${cluster.registry}/${image}`
}

async function read(url: string): Promise<object> {
  const response = await fetch(url, { headers: { accept: MANIFEST } })
  const json: unknown = await response.json()
  if (!response.ok || !isObject(json)) throw new Error(`${url}: ${response.status}`)
  return json
}

async function upload(repository: string, blob: Buffer): Promise<void> {
  const begun = await put(`${repository}/blobs/uploads/`, 'POST')
  const url = new URL(begun.headers.get('location') ?? '', repository)
  url.searchParams.set('digest', digestOf(blob))
  await put(url.href, 'PUT', blob, 'application/octet-stream')
}

async function put(url: string, method: string, body?: Buffer, type?: string): Promise<Response> {
  const response = await fetch(url, { method, ...(body ? { body: new Uint8Array(body), headers: { 'content-type': type ?? '' } } : {}) })
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
  return response
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
