/** Against the Prometheus of the distribution (`apt-get install prometheus`); left out where it is missing; `.ci/run` installs it. */
import * as assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteWrite, writeRequest } from '../../../functions/monitor/metrics/remote-write.ts'
import { bytesOf, fieldsOfMessage, textOf } from '../../../functions/monitor/push/protobuf.ts'
import { eventually, test } from '../../kit.ts'

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

test('a request has each sample with its sorted labels, its value and its time', () => {
  const [series] = [...fieldsOfMessage(writeRequest(1_700_000_000_000, [{ key: 'm{b="2",a="1"}', value: 0.5 }]))]
  assert.ok(series)
  const parts = [...fieldsOfMessage(bytesOf(series))]
  const labels = parts.filter(({ number }) => number === 1).map((label) => [...fieldsOfMessage(bytesOf(label))].map(textOf))
  assert.deepEqual(labels, [['__name__', 'm'], ['a', '1'], ['b', '2']])
  const sample = parts.filter(({ number }) => number === 2).flatMap((one) => [...fieldsOfMessage(bytesOf(one))])
  assert.deepEqual(sample.map(({ value }) => typeof value === 'bigint' ? value : value.readDoubleLE()), [0.5, 1_700_000_000_000n])
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

if (spawnSync('prometheus', ['--version']).error !== undefined) {
  console.log('skipped: remote write against a real Prometheus, which is not installed (apt-get install --no-install-recommends prometheus)')
} else {
  test('a real Prometheus takes what is written, also what waited while it was away', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bramble-prometheus-'))
    const port = await freePort()
    await writeFile(join(folder, 'prometheus.yml'), 'global: {}\n')
    const remote = createRemoteWrite({ url: `http://127.0.0.1:${port}/api/v1/write`, authorization: undefined, log: quiet })
    const startMs = Date.now() - 60_000
    for (let i = 0; i < 3; i++) remote.push(startMs + i * 15_000, [{ key: 'calls_total{function_name="a \\"b\\"",code="200"}', value: i * 10 + 0.5 }, { key: 'up', value: 1 }])
    const child = spawn('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--web.enable-remote-write-receiver',
    ], { stdio: 'ignore' })
    try {
      await eventually('all is sent', () => remote.stats().sent === 6)
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent('calls_total[5m]')}`)
      const { data } = await answer.json() as { data: { result: { metric: Record<string, string>; values: [number, string][] }[] } }
      assert.deepEqual(data.result.map(({ metric, values }) => [metric, values]), [[
        { __name__: 'calls_total', function_name: 'a "b"', code: '200' }, [0, 1, 2].map((i) => [(startMs + i * 15_000) / 1000, `${i * 10 + 0.5}`]),
      ]])
      assert.deepEqual(remote.stats(), { sent: 6, dropped: 0, waiting: 0 })
    } finally {
      await remote.stop()
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    }
  })
}
