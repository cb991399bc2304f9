import * as assert from 'node:assert/strict'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createLayout } from '../../platform/image/layout.ts'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { test } from '../kit.ts'
import { createBuildah } from './buildah.ts'
import { startContainerd } from './containerd.ts'
import { baseImage, builderImage, hostPlatform, ownBases } from './own-bases.ts'
import { freePort, startRegistry } from './registry-server.ts'
import { openClient } from './sample-image.ts'

const root = join(import.meta.dirname, '../..')
/** What the Dockerfile copies: other files of a checkout stay behind. */
const sources = ['.npmrc', 'package.json', 'package-lock.json', 'build.mjs', 'stack.yml', 'platform', 'template', 'functions']

test("the platform's Dockerfile builds an image that serves, and says its version", async () => {
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
  await using buildah = await createBuildah(server)
  const layout = createLayout(join(buildah.folder, 'layout'))
  const [base, ...others] = await ownBases(layout, [hostPlatform])
  assert.ok(base && others.length === 0)
  const buildArguments = { BASE: `${server.name}/base/node:1`, BUILD_BASE: `${server.name}/base/build:1`, REVISION: 'of-the-test' }
  await pushImage({ layout, registry, image: await baseImage(layout, [base]), reference: parseReference(buildArguments.BASE) })
  await pushImage({ layout, registry, image: await builderImage(layout, base), reference: parseReference(buildArguments.BUILD_BASE) })
  const context = join(buildah.folder, 'context')
  await mkdir(context)
  for (const name of sources) {
    await cp(join(root, name), join(context, name), { recursive: true, filter: (path) => !relative(root, path).split('/').includes('node_modules') })
  }
  const image = `${server.name}/bramble/platform:1`
  await buildah.publish(image, context, { architectures: [hostPlatform.architecture], buildArguments, dockerfile: 'platform/Dockerfile' })

  await using containerd = await startContainerd()
  await containerd.pull(server, image, hostPlatform.architecture)
  const port = await freePort()
  await using container = await containerd.run(image, {
    env: { port: String(port), data_dir: '/data/platform', basic_auth: 'false' }, scratchFolders: ['/data'], service: { port, path: '/system/info' },
  })
  assert.match(await (await fetch(`${container.url}/system/info`)).text(), /"sha":"of-the-test"/)
  assert.match(await readFile(`/proc/${container.pid}/status`, 'utf8'), /^Uid:\t12000\t/m)
  const files = (await container.evaluate('console.log(fs.readdirSync(".").join(" "))')).split(' ')
  assert.ok(files.includes('platform.mjs') && files.includes('data-path.mjs') && !files.includes('bramble.mjs'), files.join(' '))
}, { timeoutMs: 400_000 })
