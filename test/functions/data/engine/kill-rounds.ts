/** An engine in a process of its own is killed under load, again and again; what it had told must be there, and nothing half. */
import * as assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { engineWorld, rowsOf } from './engine-world.ts'

export type KillReport = { readonly kills: number; readonly told: number; readonly lost: readonly string[]; readonly half: number; readonly untold: number }

export async function engineKills(plan: { readonly kills: number; readonly longestLifeMs: number; readonly writers: number }): Promise<KillReport> {
  await using world = await engineWorld()
  await world.engine().stop()
  const told: string[] = []
  for (let kill = 0; kill < plan.kills; kill++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.ts'), world.folder, String(plan.writers)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(child, 'exit')
    let timer: NodeJS.Timeout | undefined
    for await (const line of createInterface(child.stdout)) {
      if (line === 'ready') timer = setTimeout(() => child.kill('SIGKILL'), Math.random() * plan.longestLifeMs)
      else told.push(line)
    }
    clearTimeout(timer)
    assert.deepEqual(await exit, [null, 'SIGKILL'])
  }
  const engine = await world.restart(true)
  const found = new Set((await rowsOf(engine, 'db', `SELECT id FROM twins LIMIT 10000`)).flat().map(String))
  for (let offset = 10_000; found.size === offset; offset += 10_000) for (const [id] of await rowsOf(engine, 'db', `SELECT id FROM twins LIMIT 10000 OFFSET ${offset}`)) found.add(String(id))
  const [[half] = []] = await rowsOf(engine, 'db', 'SELECT count(*) FROM told WHERE id NOT IN (SELECT id FROM twins)')
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT * FROM pragma_integrity_check'), [['ok']])
  return { kills: plan.kills, told: told.length, lost: told.filter((id) => !found.has(id)), half: Number(half), untold: found.size - told.length }
}
