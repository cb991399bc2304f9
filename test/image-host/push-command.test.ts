import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { createWorkplace, ROOT } from '../cli/bramble.ts'
import { eventually, test } from '../kit.ts'
import { startFront } from './front.ts'
import { handler } from './place.ts'
import { startRegistry } from './registry-server.ts'
import { makeSample, openClient } from './sample-image.ts'

test('Ctrl-C during a push is said to be one, changes no tag, and the next push ends it', async () => {
  await using server = await startRegistry()
  await using base = await makeSample({ baseBytes: 6_000_000, workingDir: '/' })
  await using registry = openClient(server.name)
  await pushImage({ ...base, reference: parseReference(`${server.name}/base:1`), registry })
  // A line on which chunks get lost.
  await using front = await startFront(server.port, ({ method }) => method === 'PATCH')
  const stack = (name: string): string => `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  hello:\n    lang: node-ts\n    handler: ./hello\n    image: ${name}/team/hello:1.0\n`
  await using at = await createWorkplace({ 'stack.yml': stack(front.name), 'hello/handler.ts': handler('one') })
  const built = await at.bramble(['build', '--base', `${server.name}/base:1`])
  assert.equal(built.code, 0, built.stderr)
  const child = at.start(['push'])
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  await eventually('a chunk is on its way', () => front.requests.some(({ method }) => method === 'PATCH'), 60_000)
  const closed = once(child, 'close')
  child.kill('SIGINT')
  assert.deepEqual(await closed, [1, null])
  assert.match(stderr, /hello: the push was interrupted: no tag was changed; push again to go on with what is missing/)
  assert.ok(!server.requests().some((one) => one.startsWith('PUT /v2/team/hello/manifests')))
}, { timeoutMs: 150_000 })

test('on a terminal each layer has a bar while it is sent, and a line when it is there', async () => {
  await using server = await startRegistry()
  await using base = await makeSample({ baseBytes: 6_000_000, workingDir: '/' })
  await using registry = openClient(server.name)
  await pushImage({ ...base, reference: parseReference(`${server.name}/base:1`), registry })
  await using at = await createWorkplace({
    'stack.yml': `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  hello:\n    lang: node-ts\n    handler: ./hello\n    image: ${server.name}/team/hello:1.0\n`,
    'hello/handler.ts': handler('one'),
  })
  const built = await at.bramble(['build', '--base', `${server.name}/base:1`])
  assert.equal(built.code, 0, built.stderr)
  const program = join(ROOT, 'platform/cli/main.ts')
  const { stdout } = await promisify(execFile)('script', ['-qec', `stty cols 90; '${process.execPath}' '${program}' push`, '/dev/null'], {
    cwd: at.folder, env: { PATH: process.env['PATH'], HOME: at.folder, TERM: 'xterm' },
  })
  assert.match(stdout, / {2}layer [0-9a-f]{12} linux\/\w+ [█░]{20} .* of 6\.0 MB\r\n/)
  assert.match(stdout, /\x1b\[\dA\x1b\[J {2}layer [0-9a-f]{12} linux\/arm64 6\.0 MB \x1b\[32msent\x1b\[39m\r\n/)
  // What stays on the screen: no bar.
  const last = stdout.slice(stdout.lastIndexOf('\x1b[J'))
  assert.ok(!last.includes('░'))
  assert.match(last, /hello: \x1b\[32mpushed in /)
}, { timeoutMs: 150_000 })
