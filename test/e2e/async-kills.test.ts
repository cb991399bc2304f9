/** A short round of the soak: asynchronous calls on a platform that is killed. */
import * as assert from 'node:assert/strict'
import { buildFunctions } from '../bench/build-functions.ts'
import { test } from '../kit.ts'
import { platformKills } from '../soak/platform-kills.ts'

test('no accepted call is lost while the platform is killed, and each callback comes', async () => {
  await using built = await buildFunctions(undefined, ['small'])
  const report = await platformKills({ functionsDir: built.folder, bundle: 'small', calls: 600, kills: 3, mostBetween: 150, drainTimeoutMs: 60_000 })
  console.log(JSON.stringify(report))
  assert.equal(report.lost, 0)
  assert.ok(report.kills >= 3 && report.accepted >= 600)
}, { timeoutMs: 170_000 })
