import * as assert from 'uvu/assert'
import { digestOf, mediaTypes } from '../../platform/image/oci.ts'
import { parseDigest, parseImageConfig, parseIndex, parseManifest } from '../../platform/image/parse-oci.ts'
import { cases, test } from '../kit.ts'

const digest = digestOf('x')
const blob = { mediaType: mediaTypes.layerGzip, digest, size: 7 }

test('what registries add is left out, what is needed is kept', () => {
  const manifest = parseManifest({
    schemaVersion: 2, config: { ...blob, mediaType: mediaTypes.dockerConfig, urls: ['x'] }, layers: [{ ...blob, annotations: { a: 'b' } }], more: 1,
  }, 'the manifest', mediaTypes.dockerManifest)
  assert.equal(manifest, {
    schemaVersion: 2, mediaType: mediaTypes.dockerManifest, config: { ...blob, mediaType: mediaTypes.dockerConfig },
    layers: [{ ...blob, annotations: { a: 'b' } }],
  })
  const config = parseImageConfig({
    architecture: 'arm64', variant: 'v8', os: 'linux', docker_version: '1', rootfs: { type: 'layers', diff_ids: [digest] },
    config: { Env: ['A=1'], User: '', Labels: null, Entrypoint: null, Cmd: ['node'], ExposedPorts: { '80/tcp': {} }, OnBuild: null },
    history: [{ created_by: 'x', empty_layer: true, author: 'y' }],
  }, 'the configuration')
  assert.equal(config, {
    architecture: 'arm64', os: 'linux', variant: 'v8', rootfs: { type: 'layers', diff_ids: [digest] },
    config: { Env: ['A=1'], Cmd: ['node'], ExposedPorts: { '80/tcp': {} } }, history: [{ created_by: 'x', empty_layer: true }],
  })
})

cases('refused', [
  { name: 'a digest of another algorithm', parse: () => parseDigest('sha512:abc', 'layer 1'), message: /layer 1 has the digest "sha512:abc"/ },
  { name: 'a digest that is a path', parse: () => parseDigest(`sha256:../../${'a'.repeat(58)}`, 'layer 1'), message: /only sha256/ },
  { name: 'a size below nothing', parse: () => parseManifest({ config: { ...blob, size: -1 }, layers: [] }, 'it', mediaTypes.manifest), message: /the configuration of it has the size -1/ },
  { name: 'no layers', parse: () => parseManifest({ config: blob }, 'it', mediaTypes.manifest), message: /a list is missing/ },
  { name: 'thousands of layers', parse: () => parseManifest({ config: blob, layers: Array(2_000).fill(blob) }, 'it', mediaTypes.manifest), message: /2000 entries/ },
  { name: 'an index in the place of a manifest', parse: () => parseManifest({ mediaType: mediaTypes.index }, 'it', ''), message: /an image manifest was expected/ },
  { name: 'a manifest in the place of an index', parse: () => parseIndex({}, 'it', mediaTypes.manifest), message: /an image index was expected/ },
  { name: 'a configuration without an architecture', parse: () => parseImageConfig({ os: 'linux', rootfs: { diff_ids: [] } }, 'it'), message: /architecture is missing/ },
  { name: 'a command that is a text', parse: () => parseImageConfig({ os: 'linux', architecture: 'arm64', rootfs: { diff_ids: [] }, config: { Cmd: 'node' } }, 'it'), message: /a list is missing/ },
  { name: 'no object', parse: () => parseIndex([], 'it', mediaTypes.index), message: /a JSON object is missing/ },
], ({ parse, message }) => {
  assert.throws(parse, message)
})
