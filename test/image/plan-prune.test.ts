import * as assert from 'node:assert/strict'
import type { StoredImage } from '../../platform/image/catalog.ts'
import type { Digest } from '../../platform/image/oci.ts'
import { planPrune } from '../../platform/image/plan-prune.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { cases } from '../kit.ts'

const digest = (seed: string): Digest => `sha256:${seed.repeat(64).slice(0, 64)}`

/** An index `seed` over the manifests `parts`, with the blobs `blobs` of 100 bytes each. */
function image(name: string, seed: string, parts: string, blobs: string, isFunction = true): StoredImage {
  const [repository = '', tag = ''] = name.split(':')
  return {
    repository, tag, digest: digest(seed), platforms: ['linux/arm64'], isFunction,
    manifests: [...parts].map(digest), blobs: new Map([...blobs].map((one) => [digest(one), 100])),
  }
}

const one = image('hello:1', 'a', '12', 'BX')
const two = image('hello:2', 'b', '34', 'BY')
const same = image('hello:again', 'a', '12', 'BX')
const sharing = image('hello:3', 'c', '15', 'BZ')
const foreign = image('database:1', 'd', '6', 'Q', false)

cases('prune', [
  { name: 'removes what no function names', images: [one, two], inUse: ['r.local/hello:2'], removes: ['hello:1'], manifests: 'a12', freed: 100 },
  { name: 'keeps what is named by its digest', images: [one, two], inUse: [`r.local/hello@${digest('a')}`], removes: ['hello:2'], manifests: 'b34', freed: 100 },
  { name: 'keeps both, the tag that moved and the digest that runs', images: [one, two], inUse: [`r.local/hello:2@${digest('a')}`], removes: [], manifests: '', freed: 0 },
  { name: 'keeps an image that is named by one of its platforms', images: [one], inUse: [`r.local/hello@${digest('2')}`], removes: [], manifests: '', freed: 0 },
  { name: 'keeps the other tags of an image in use: the registry would remove them together', images: [one, same], inUse: ['r.local/hello:1'], removes: [], manifests: '', freed: 0 },
  { name: 'keeps a manifest that an image in use shares', images: [one, sharing], inUse: ['r.local/hello:3'], removes: ['hello:1'], manifests: 'a2', freed: 100 },
  { name: 'is not fooled by the same name in another registry', images: [one], inUse: ['other.local/hello:1'], removes: ['hello:1'], manifests: 'a12', freed: 200 },
  { name: 'is not fooled by the same tag in another repository', images: [one], inUse: ['r.local/bye:1'], removes: ['hello:1'], manifests: 'a12', freed: 200 },
  { name: 'leaves what was not made from the template', images: [foreign, one], inUse: [], removes: ['hello:1'], manifests: 'a12', freed: 200 },
  { name: 'removes an image with two tags once', images: [one, same], inUse: [], removes: ['hello:1', 'hello:again'], manifests: 'a12', freed: 200 },
], ({ images, inUse, removes, manifests, freed }) => {
  const plan = planPrune('r.local', images, inUse.map(parseReference))
  assert.deepEqual(plan.unused.map(({ repository, tag }) => `${repository}:${tag}`), removes)
  assert.deepEqual(plan.manifests, [...manifests].map((seed) => ({ repository: 'hello', digest: digest(seed) })))
  assert.equal(plan.freedBytes, freed)
  assert.equal(plan.used.length + plan.unused.length + plan.foreign.length, images.length)
})
