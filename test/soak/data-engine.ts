/** The data engine for minutes: kills under load, and thousands of random statements rebuilt to the byte at random moments. */
import * as assert from 'node:assert/strict'
import { DataError } from '../../functions/data/engine/errors.ts'
import { engineWorld, fileOf, rowsOf } from '../functions/data/engine/engine-world.ts'
import { engineKills, type KillReport } from '../functions/data/engine/kill-rounds.ts'
import { randomOf } from '../functions/data/engine/random.ts'
import { schema, transactionOf } from '../functions/data/engine/random-statements.ts'

export type DataEngineReport = KillReport & { readonly transactions: number; readonly failed: number; readonly rebuilds: number; readonly bytes: number }

export async function dataEngine(plan: { readonly kills: number; readonly rounds: number; readonly transactionsEach: number; readonly seed: number }): Promise<DataEngineReport> {
  const kills = await engineKills({ kills: plan.kills, longestLifeMs: 2000, writers: 64 })
  const random = randomOf(plan.seed)
  await using world = await engineWorld({ limits: { snapshotEveryBytes: 500_000, historyMs: 0 } })
  await world.engine().create('db')
  await world.engine().execute('db', { statements: schema })
  let failed = 0
  for (let round = 0; round < plan.rounds; round++) {
    await Promise.all(Array.from({ length: plan.transactionsEach }, () =>
      world.engine().execute('db', { statements: transactionOf(random) }).catch((error: unknown) => {
        assert.ok(error instanceof DataError)
        failed++
      })))
    const before = await fileOf(world.engine(), 'db')
    await world.restart()
    assert.ok((await fileOf(world.engine(), 'db')).equals(before), `seed ${plan.seed}, round ${round}: the file is the same`)
    assert.deepEqual(await rowsOf(world.engine(), 'db', 'SELECT * FROM pragma_integrity_check'), [['ok']])
  }
  return { ...kills, transactions: plan.rounds * plan.transactionsEach, failed, rebuilds: plan.rounds, bytes: world.engine().get('db')?.sizeBytes ?? 0 }
}
