import * as assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { listenError } from '../../platform/lib/listen-error.ts'
import { BrambleError } from '../../platform/lib/errors.ts'
import { cases, test } from '../kit.ts'

/** What a server says that is to listen there. */
const errorOf = (port: number, host: string): Promise<unknown> => new Promise((resolve) => {
  const server = createServer().once('error', resolve).listen(port, host, () => server.close(() => resolve(undefined)))
})

test('a port that is taken is told with the setting that names it', async () => {
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  const { port } = holder.address() as AddressInfo
  const error = listenError(await errorOf(port, '127.0.0.1'), { host: '127.0.0.1', port, setting: 'metrics_port' })
  holder.close()
  assert.ok(error instanceof BrambleError)
  assert.equal(error.message, `port ${port} is taken; stop the program that holds it or set metrics_port`)
})

cases('an address of another machine is told as such', [{ name: '192.0.2.1' }, { name: 'no-such-host.invalid' }], async ({ name: host }) => {
  const error = listenError(await errorOf(0, host), { host, port: 0, setting: 'port' })
  assert.ok(error instanceof BrambleError)
  assert.equal(error.message, `${host} is not an address of this machine; set host to one of them`)
})

test('anything else stays as it is', () => {
  const cause = Object.assign(new Error('too many files'), { code: 'EMFILE' })
  assert.equal(listenError(cause, { host: '', port: 1, setting: 'port' }), cause)
})
