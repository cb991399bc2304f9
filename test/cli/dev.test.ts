import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { eventually, test } from '../kit.ts'
import { stackOf, startPlatform, type TestPlatform } from './platform.ts'

const files = {
  'stack.yml': stackOf({ one: '', two: '' }),
  'one/handler.ts': 'export default () => "one"\n',
  'two/handler.ts': 'export default () => "two"\n',
}
const call = async (platform: TestPlatform, name: string): Promise<string> => (await fetch(`${platform.url}/function/${name}`)).text()

type Dev = AsyncDisposable & { readonly stderr: () => string; mark(): void; stop(): Promise<unknown> }

async function startDev(platform: TestPlatform): Promise<Dev> {
  const child = platform.at.start(['dev'], { env: { OPENFAAS_URL: platform.url } })
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  await eventually('dev watches', () => err.includes('watching for changes'))
  const stop = async (): Promise<unknown> => {
    if (child.exitCode !== null) return child.exitCode
    const closed = once(child, 'close')
    child.kill('SIGINT')
    return (await closed)[0]
  }
  return { stderr: () => err, mark: () => { err = '' }, stop, async [Symbol.asyncDispose]() { await stop() } }
}

test('dev deploys a function again when its source changes, and no other', async () => {
  await using platform = await startPlatform(files)
  await using dev = await startDev(platform)
  dev.mark()
  await platform.at.write({ 'one/handler.ts': 'export default () => "changed"\n' })
  await eventually('the new version serves', async () => await call(platform, 'one') === 'changed')
  await eventually('it is told', () => dev.stderr().includes('one: updated, ready'))
  assert.equal(dev.stderr().includes('two:'), false, dev.stderr())
  assert.equal(await dev.stop(), 0)
})

test('dev tells what is broken, keeps the old version, and goes on', async () => {
  await using platform = await startPlatform(files)
  await using dev = await startDev(platform)
  dev.mark()
  await platform.at.write({ 'one/handler.ts': 'export default () => (\n' })
  await eventually('the error is told', () => dev.stderr().includes('one/handler.ts:2:1: unexpected end of file'))
  assert.equal(await call(platform, 'one'), 'one')
  await platform.at.write({ 'one/handler.ts': 'throw new Error("planted")\nexport default () => 1\n' })
  await eventually('the failed start is told', () => /^one: \w+: [^]*planted/m.test(dev.stderr()))
  assert.equal(await call(platform, 'one'), 'one')
  await platform.at.write({ 'one/handler.ts': 'export default () => "repaired"\n' })
  await eventually('the repaired version serves', async () => await call(platform, 'one') === 'repaired')
})

test('dev follows the stack file: settings, new functions, and those that left', async () => {
  await using platform = await startPlatform({ ...files, 'two/handler.ts': 'export default () => process.env["word"] ?? "none"\n', 'three/handler.ts': 'export default () => "three"\n' })
  await using dev = await startDev(platform)
  dev.mark()
  await platform.at.write({ 'stack.yml': stackOf({ two: 'environment: {word: new}', three: '' }) })
  await eventually('the setting is there', async () => await call(platform, 'two') === 'new')
  await eventually('the new function is there', async () => await call(platform, 'three') === 'three')
  await eventually('all is told', () => dev.stderr().includes('three: created'))
  assert.match(dev.stderr(), /^one has left the stack file and still runs: remove it with "bramble remove one"$/m)
})

test('start --watch does the same within the platform', async () => {
  await using platform = await startPlatform(files, ['--watch'])
  await eventually('it watches', () => platform.stderr().includes('watching for changes'))
  await platform.at.write({ 'two/handler.ts': 'export default () => "changed"\n' })
  await eventually('the new version serves', async () => await call(platform, 'two') === 'changed')
  assert.equal(await platform.stop(), 0)
})
