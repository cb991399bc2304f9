/** A registry with TLS and a password, and a platform whose functions have their images there. */
import { readFile } from 'node:fs/promises'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { startPlatform, type TestPlatform } from '../cli/platform.ts'
import { startRegistry, type RegistryServer } from './registry-server.ts'
import { makeSample, openClient } from './sample-image.ts'

export type Place = AsyncDisposable & {
  readonly server: RegistryServer
  readonly platform: TestPlatform
  /** With the registry's files named in the environment. */
  bramble(...words: readonly string[]): ReturnType<TestPlatform['bramble']>
}

export const handler = (word: string): string => `export default () => ${JSON.stringify(word)}\n`

/** A platform with two functions whose images belong to a registry with TLS and a password, and a base in it. */
export async function startPlace(): Promise<Place> {
  const server = await startRegistry({ isTls: true, hasPassword: true })
  await using base = await makeSample({ baseBytes: 2_000_000, workingDir: '/' })
  await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
  await pushImage({ ...base, reference: parseReference(`${server.name}/base:1`), registry })
  const one = (name: string): string => `  ${name}:\n    lang: node-ts\n    handler: ./${name}\n    image: ${server.name}/team/${name}:1.0\n`
  const platform = await startPlatform({
    'stack.yml': `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${one('hello')}${one('bye')}`,
    'hello/handler.ts': handler('one'), 'bye/handler.ts': handler('bye'),
  })
  return {
    server, platform,
    bramble: (...words) => platform.bramble(words, { env: { registry_auth_file: server.authFile, registry_ca_file: server.caFile } }),
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
