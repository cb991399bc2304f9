/** A disk that is full in earnest, where a file system of a megabyte can be mounted. */
import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, test } from '../../kit.ts'
import { startMonitor } from './started-monitor.ts'

const run = promisify(execFile)
const MEGABYTE = 2 ** 20

/** Source: capabilities(7). */
const CAP_SYS_ADMIN = 21n
const [, capabilities = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8').catch(() => '')) ?? []
const mayMount = (BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN & 1n) === 1n

if (mayMount) {
  test('that the disk is full is told while it is; pushes are refused, and what was kept is found', async () => {
    let round = 0
    const told: string[] = []
    // As webhook, and as a gateway whose many series change with each moment: no slack of a file takes one.
    const server = createServer((request, response) => {
      if (request.method === 'POST') request.on('data', (chunk: Buffer) => { told.push(chunk.toString()) })
      else if (request.url === '/system/metrics') return void response.end(Array.from({ length: 2000 }, (_, i) => `m{i="${i}"} ${++round / 7}`).join('\n'))
      response.end('[]')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    try {
      await using disk = await mountSmallDisk(8 * MEGABYTE)
      await using monitor = await startMonitor({ volume_path: disk.folder, gateway_url: url, scrape_every: '100ms', alert_webhook: url, alert_group_wait: '1ms' })
      const rule = { expr: 'bramble_node_disk_available_bytes / bramble_node_disk_total_bytes < 0.01', for_seconds: 1, summary: 'the disk is full' }
      assert.equal((await monitor.call('PUT', '/v1/rules/full', { body: JSON.stringify(rule), headers: { 'content-type': 'application/json' } })).status, 201)
      assert.equal((await monitor.push([{ message: 'kept' }])).status, 200)
      await assert.rejects(writeFile(join(disk.folder, 'ballast'), Buffer.alloc(8 * MEGABYTE)), /ENOSPC/)
      await eventually('it is told', () => told.some((text) => text.includes('the disk is full')))
      assert.equal((await monitor.push([{ message: 'x'.repeat(100_000) }])).status, 507)
      const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x'.repeat(100_000) } }] }] }] }
      const otlp = await monitor.call('POST', '/otlp/v1/logs', { body: JSON.stringify(logs), headers: { 'content-type': 'application/json' } })
      assert.deepEqual([otlp.status, await otlp.json()], [503, { message: 'the disk is full: the lines were not kept' }])
      assert.equal((await monitor.lines('text=kept')).length, 1)
      await rm(join(disk.folder, 'ballast'))
      await eventually('lines are taken again', async () => (await monitor.push([{ message: 'again' }])).status === 200)
      await eventually('its end is told', () => told.some((text) => text.includes('resolved')))
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
}

async function mountSmallDisk(sizeBytes: number) {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-full-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder])
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await run('umount', [folder])
      await rm(folder, { recursive: true })
    },
  }
}
