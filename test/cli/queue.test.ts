/** `bramble queue` against a platform with a function that always fails. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../kit.ts'
import { createWorkplace } from './bramble.ts'
import { stackOf, startPlatform } from './platform.ts'

const rowsOf = (text: string): string[][] => text.trimEnd().split('\n').slice(1).map((line) => line.split(/ {2,}/))

test('queue lists what waits and what was given up, redrives, deletes and cancels', async () => {
  await using platform = await startPlatform({
    'stack.yml': stackOf({ bad: 'annotations:\n  com.openfaas.retry.attempts: "2"\n  com.openfaas.retry.min_wait: 10ms' }),
    'bad/handler.ts': 'export default () => { throw new Error("no") }\n',
  })
  const call = (headers: Record<string, string>) => fetch(`${platform.url}/async-function/bad`, { method: 'POST', body: 'x', headers })
  const dead = async (...words: string[]): Promise<string[][]> => rowsOf((await platform.bramble(['queue', 'dead', ...words])).stdout)
  const givenUp = async (): Promise<string | undefined> => rowsOf((await platform.bramble(['queue', 'list'])).stdout)[0]?.at(-1)

  await call({ 'X-Call-Id': 'one' })
  await eventually('it is given up', async () => (await dead()).length === 1)
  const [[id = '', name, callId, tries] = []] = await dead('bad')
  assert.deepEqual([name, callId, tries, await givenUp()], ['bad', 'one', '2', '1'])
  assert.deepEqual(await dead('another'), [])

  assert.equal((await platform.bramble(['queue', 'redrive', id])).stdout, `${id}: due again\n`)
  await eventually('it is given up again', async () => (await dead()).length === 1)
  assert.equal((await platform.bramble(['queue', 'delete', id])).stdout, `${id}: deleted\n`)
  assert.deepEqual(await dead(), [])

  for (const callId of ['two', 'three', 'four']) await call({ 'X-Call-Id': callId })
  await eventually('all are given up', async () => (await dead()).length === 3)
  assert.equal((await platform.bramble(['queue', 'delete', '--all', 'another'])).stdout, '0 calls deleted\n')
  assert.equal((await platform.bramble(['queue', 'delete', '--all', '--namespace', 'elsewhere'])).stdout, '0 calls deleted\n')
  assert.equal((await platform.bramble(['queue', 'redrive', '--all', 'bad'])).stdout, '3 calls due again\n')
  await eventually('all are given up again', async () => (await dead()).length === 3)
  assert.equal((await platform.bramble(['queue', 'delete', '--all'])).stdout, '3 calls deleted\n')
  assert.deepEqual(await dead(), [])
  assert.match((await platform.bramble(['queue', 'cancel', '--all'])).stderr, /^--all is for redrive and delete/)

  await call({ 'X-Call-Id': 'later', 'X-Delay': '1h' })
  assert.equal((await platform.bramble(['queue', 'cancel', 'later'])).stdout, 'later: cancelled\n')
  const again = await platform.bramble(['queue', 'cancel', 'later'])
  assert.deepEqual([again.code, again.stdout], [1, ''])
})

test('queue says what is missing, and what is too much', async () => {
  await using at = await createWorkplace()
  for (const words of [[], ['redrive'], ['delete'], ['cancel']]) {
    const { code, stderr } = await at.bramble(['queue', ...words])
    assert.equal(code, 1)
    assert.match(stderr, /^queue is missing something: bramble queue list \|/)
  }
  const { code, stderr } = await at.bramble(['queue', 'list', 'bad'])
  assert.equal(code, 1)
  assert.match(stderr, /^queue does not know what to do with "bad"/)
})
