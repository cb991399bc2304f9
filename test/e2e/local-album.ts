/** The services of stack.yml and the album of stack.album.yml on the local platform, deployed as the command does it. */
import { randomBytes } from 'node:crypto'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readDeployment } from '../../platform/stack/deployment.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { type Platform, ROOT, startPlatform } from '../bench/platform.ts'
import type { AlbumWorld } from './album-steps.ts'

export type LocalAlbum = AlbumWorld & AsyncDisposable & {
  readonly platform: Platform
  readonly services: readonly string[]
}

/** Of stack.yml; the others have no part in it. */
const SERVICES = ['data', 'cache', 'auth', 'files', 'scheduler', 'monitor']

/** `dist` is built; the album is built here, for `npm run build` has only what stack.yml has. */
export async function startLocalAlbum({ isCalm }: { readonly isCalm: boolean }): Promise<LocalAlbum> {
  await promisify(execFile)(process.execPath, ['build.mjs', '-f', 'stack.album.yml'], { cwd: ROOT })
  const platform = await startPlatform({ env: { ready_timeout: '30s' } })
  try {
    const serviceToken = randomBytes(24).toString('hex')
    const password = (await readFile(join(platform.dataDir, 'basic-auth-password'), 'utf8')).trim()
    const known: Readonly<Record<string, string>> = { 'service-token': serviceToken, 'gateway-login': `admin:${password}` }
    const stacks = await Promise.all(['stack.yml', 'stack.album.yml'].map((file) => readStack({ cwd: ROOT, file })))
    const functions = stacks.flatMap((stack) => stack.functions.map((one) => ({ stack, one })))
      .filter(({ stack, one }) => stack !== stacks[0] || SERVICES.includes(one.name))
    for (const name of new Set(functions.flatMap(({ one }) => one.secrets))) {
      await platform.request('POST', '/system/secrets', { name, value: known[name] ?? randomBytes(32).toString('base64') })
    }
    for (const { stack, one } of functions) {
      await platform.request('POST', '/system/functions', await readDeployment(stack, one, { templateHomes: [ROOT] }))
    }
    const services = functions.map(({ one }) => one.name)
    await Promise.all(services.map((name) => platform.ready(name)))
    return {
      platform, services, url: platform.url, serviceToken, isCalm,
      logsOf: async (name) => (await platform.request('GET', `/system/logs?name=${name}&tail=1000`)).text(),
      [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
    }
  } catch (error) {
    await platform[Symbol.asyncDispose]()
    throw error
  }
}
