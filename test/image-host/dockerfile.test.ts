import * as assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readBaseImage } from '../../platform/image/base-image.ts'
import { createLayout } from '../../platform/image/layout.ts'
import type { ContainerConfig } from '../../platform/image/oci.ts'
import { parseIndex } from '../../platform/image/parse-oci.ts'
import { pullImage } from '../../platform/image/pull.ts'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { test } from '../kit.ts'
import { writeContext } from './build-context.ts'
import { createBuildah } from './buildah.ts'
import { startContainerd } from './containerd.ts'
import { buildImages, pushImages } from './fixture-images.ts'
import { baseImage, builderImage, hostPlatform, ownBases } from './own-bases.ts'
import { startRegistry } from './registry-server.ts'
import { amd64, arm64, openClient } from './sample-image.ts'

const architectures = ['amd64', 'arm64']
const foreign = hostPlatform.architecture === 'arm64' ? 'amd64' : 'arm64'

test("the template's Dockerfile builds, on a base of the builder's choice, what bramble makes: for both kinds of machine", async () => {
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
  await using buildah = await createBuildah(server)
  const layout = createLayout(join(buildah.folder, 'layout'))
  const bases = await ownBases(layout, [amd64, arm64])
  const ownBase = bases.find(({ platform }) => platform.architecture === hostPlatform.architecture)
  assert.ok(ownBase)
  const buildArguments = { BASE: `${server.name}/base/node:1`, BUILD_BASE: `${server.name}/base/build:1`, ADDITIONAL_PACKAGE: '' }
  await pushImage({ layout, registry, image: await baseImage(layout, bases), reference: parseReference(buildArguments.BASE) })
  await pushImage({ layout, registry, image: await builderImage(layout, ownBase), reference: parseReference(buildArguments.BUILD_BASE) })

  const image = (name: string): string => `${server.name}/from-dockerfile/${name}:1.0`
  for (const name of ['hello', 'express']) {
    const context = join(buildah.folder, name)
    await writeContext(name, context)
    await buildah.publish(image(name), context, { architectures, buildArguments })
  }

  await using containerd = await startContainerd()
  for (const name of ['hello', 'express']) await containerd.pull(server, image(name), hostPlatform.architecture)
  assert.equal(await containerd.answer(image('express'), '/hello/ada'), '{"hello":"ada"}')
  await using container = await containerd.run(image('hello'))
  assert.equal(await (await fetch(`${container.url}/?name=Ada`)).text(), 'Hello, Ada!\n')
  assert.match(await readFile(`/proc/${container.pid}/status`, 'utf8'), /^Uid:\t12000\t/m)
  const found = (path: string) => container.evaluate(`console.log(fs.existsSync('${path}'))`)
  assert.equal(await found('/home/function/index.mjs'), 'true')
  // What only the build needs: npm, its settings, the authority it trusts.
  for (const path of ['/usr/local/lib/node_modules', '/usr/local/etc/npmrc', '/run/npm-authority.pem', '/build']) assert.equal(await found(path), 'false', path)

  await containerd.pull(server, image('hello'), foreign)
  await using other = await containerd.run(image('hello'), { architecture: foreign })
  assert.equal(await (await fetch(`${other.url}/?name=Ada`)).text(), 'Hello, Ada!\n')

  await using made = await buildImages(server.name, ['hello'])
  await pushImages(made, server, ['hello'])
  const startOf = async (name: string): Promise<unknown> => {
    const descriptor = await pullImage({ registry, layout, reference: parseReference(name), platforms: [amd64, arm64] })
    const { manifests } = parseIndex(await layout.readJson(descriptor), name, descriptor.mediaType)
    const configs = await Promise.all([amd64, arm64].map(async (platform) => {
      const manifest = manifests.find((one) => one.platform?.architecture === platform.architecture)
      assert.ok(manifest)
      return (await readBaseImage(layout, platform, manifest, name)).config
    }))
    return configs.map(({ architecture, config }) => [architecture, partsOf(config)])
  }
  assert.deepEqual(await startOf(image('hello')), await startOf(`${server.name}/images/hello:1.0`))
}, { timeoutMs: 400_000 })

/** All that decides how a container is started. */
function partsOf({ User, ExposedPorts, Env, Entrypoint, Cmd, WorkingDir, StopSignal }: ContainerConfig): ContainerConfig {
  return {
    ...(User === undefined ? {} : { User }), ...(ExposedPorts === undefined ? {} : { ExposedPorts }), ...(Env === undefined ? {} : { Env }),
    ...(Entrypoint === undefined ? {} : { Entrypoint }), ...(Cmd === undefined ? {} : { Cmd }),
    ...(WorkingDir === undefined ? {} : { WorkingDir }), ...(StopSignal === undefined ? {} : { StopSignal }),
  }
}
