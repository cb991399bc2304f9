/** An image out of a registry into a layout folder, for the platforms that are wanted; every byte is checked. */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../lib/backoff.ts'
import { BrambleError } from '../lib/errors.ts'
import { createGate } from '../lib/gate.ts'
import type { Layout } from './layout.ts'
import {
  digestOf, isIndexType, isManifestType, isSamePlatform, mediaTypes, platformName, type Descriptor, type Platform,
} from './oci.ts'
import { parseImageConfig, parseIndex, parseManifest } from './parse-oci.ts'
import { formatReference, type Reference } from './reference.ts'
import { connectionError, isPassing } from './registry-error.ts'
import { retryPauses, type Registry } from './registry.ts'

export type PullProgress = { readonly blob: Descriptor; readonly receivedBytes: number; readonly isPresent: boolean }

export type PullOptions = {
  readonly registry: Registry
  readonly reference: Reference
  readonly platforms: readonly Platform[]
  readonly layout: Layout
  readonly onProgress?: (progress: PullProgress) => void
  readonly signal?: AbortSignal | undefined
}

const PARALLEL_DOWNLOADS = 3
/** In a row without a byte of progress. */
const MAX_FAILURES = 4

/**
 * Answers the image, index or manifest as the registry has it; of an index only what `platforms` need is in the layout.
 * `NOT_FOUND` names an architecture that the image lacks, and those it has.
 */
export async function pullImage(options: PullOptions): Promise<Descriptor> {
  const { registry, reference, platforms, layout, onProgress, signal } = options
  const { repository } = reference
  const name = formatReference(reference)
  const about = { repository, actions: 'pull', signal }

  const fetchManifest = async (target: string): Promise<Descriptor & { readonly json: unknown }> => {
    const { body, headers } = await registry.call({
      ...about, method: 'GET', target: `manifests/${target}`, purpose: `pull ${name}`,
      headers: { accept: [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(', ') },
    })
    const digest = digestOf(body)
    const promised = target.startsWith('sha256:') ? target : headers['docker-content-digest']
    if (promised !== undefined && promised !== digest) {
      throw new BrambleError('UPSTREAM', `registry ${registry.name} answers ${name} with other bytes (${digest}) than it promises (${promised}): something changes them on the way`)
    }
    await layout.write(body, { digest })
    const json = parseJson(body, name)
    const said = typeof json === 'object' && json !== null && 'mediaType' in json ? json.mediaType : undefined
    const mediaType = typeof said === 'string' ? said : String(headers['content-type'] ?? '').replace(/;.*$/, '').trim()
    return { mediaType, digest, size: body.byteLength, json }
  }

  /** Goes on where it was cut. */
  async function* bytesOf(blob: Descriptor): AsyncGenerator<Uint8Array> {
    const purpose = `pull ${blob.digest} of ${name}`
    let offset = 0
    for (let failures = 0; ;) {
      try {
        const reply = await registry.open({
          ...about, method: 'GET', target: `blobs/${blob.digest}`, purpose,
          headers: { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
        })
        // A server that knows no ranges begins again.
        let skipped = reply.statusCode === 206 ? 0 : offset
        for await (const chunk of reply as AsyncIterable<Buffer>) {
          const part = chunk.subarray(Math.min(skipped, chunk.length))
          skipped -= chunk.length - part.length
          if (part.length === 0) continue
          offset += part.length
          failures = 0
          onProgress?.({ blob, receivedBytes: offset, isPresent: false })
          yield part
        }
        return
      } catch (error) {
        signal?.throwIfAborted()
        if (!isPassing(error) || ++failures > MAX_FAILURES) throw connectionError(error, { registry: registry.name, purpose })
        await delay(backoffMs(failures, retryPauses), undefined, signal ? { signal } : {})
      }
    }
  }

  const gate = createGate(PARALLEL_DOWNLOADS)
  const fetchBlob = async (blob: Descriptor): Promise<void> => {
    const leave = await gate.enter()
    try {
      if (await layout.has(blob)) onProgress?.({ blob, receivedBytes: blob.size, isPresent: true })
      else await layout.write(bytesOf(blob), blob)
    } finally {
      leave()
    }
  }

  const root = await fetchManifest(reference.digest ?? reference.tag ?? 'latest')
  const offered = isIndexType(root.mediaType) ? parseIndex(root.json, name, root.mediaType).manifests : undefined
  if (!offered && !isManifestType(root.mediaType)) {
    throw new BrambleError('UNSUPPORTED', `${name} is no image but ${root.mediaType || 'of an unknown kind'}: name another base`)
  }
  for (const platform of platforms) {
    const entry = offered?.find((one) => one.platform && isSamePlatform(platform, one.platform))
    if (offered && !entry) throw missing(name, platform, offered.flatMap((one) => one.platform ?? []))
    const found = entry ? await fetchManifest(entry.digest) : root
    const { config, layers } = parseManifest(found.json, name, found.mediaType)
    await fetchBlob(config)
    const actual = parseImageConfig(await layout.readJson(config), `the configuration of ${name}`)
    if (!isSamePlatform(platform, actual)) throw missing(name, platform, [actual])
    await Promise.all([...new Map(layers.map((layer) => [layer.digest, layer])).values()].map(fetchBlob))
  }
  const { mediaType, digest, size } = root
  return { mediaType, digest, size }
}

function missing(name: string, platform: Platform, offered: readonly Platform[]): BrambleError {
  // Attestations are listed as "unknown/unknown".
  const has = [...new Set(offered.filter(({ os }) => os !== 'unknown').map(platformName))].join(', ')
  return new BrambleError('NOT_FOUND',
    `${name} has no image for ${platformName(platform)}, only for ${has || 'no platform at all'}: choose another base, or leave the platform out with --platform`)
}

function parseJson(body: Buffer, name: string): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (cause) {
    throw new BrambleError('UPSTREAM', `the manifest of ${name} is no JSON: is this a registry?`, { cause })
  }
}
