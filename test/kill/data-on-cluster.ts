/** The same as a pod: its process killed under writes, and the power of its board cut. */
import { setTimeout as pause } from 'node:timers/promises'
import { memoryOf } from '../bench/measure.ts'
import { startCluster } from '../cluster/cluster.ts'
import { deployPlatform } from '../cluster/platform-on-cluster.ts'
import { DATA_NODE, deployServices } from '../cluster/services-on-cluster.ts'
import { eventually } from '../kit.ts'
import { checkAll, type DataKillsPlan, type DataKillsReport, lineOf, makeDatabases } from './data-kills.ts'
import { checkWithSqlite } from './data-ledger.ts'
import { startWriters } from './data-writers.ts'

/** Kubernetes gives a silent board up after 50 s, and a busy machine is slow. */
const PATIENCE_MS = 600_000
const BACK_OFF_CHECK_MS = 2_000

/** A round more than `rounds`: the last one is the board. */
export async function dataKillsOnCluster({ rounds, longestLifeMs, print }: DataKillsPlan): Promise<DataKillsReport> {
  await using cluster = await startCluster({ workers: 1 })
  await using platform = await deployPlatform(cluster)
  const services = await deployServices(cluster, platform)
  const { data } = services
  const held = async (): Promise<string> => `${(memoryOf(await services.pidOf('data')).anonBytes / 1e6).toFixed(1)} MB private`
  print(`data as a pod, idle: ${await held()}`)
  const ledgers = await makeDatabases(data)
  let report: DataKillsReport = { acknowledged: 0, missing: 0, half: 0, unknown: 0, unknownDone: 0, kills: 0 }
  for (let round = 1; round <= rounds + 1; round++) {
    const isBoard = round > rounds
    const writers = startWriters(data, ledgers, `${round}`)
    await eventually('writes are acknowledged', () => writers.acknowledged() > 0, PATIENCE_MS)
    await pause(Math.random() * longestLifeMs)
    if (isBoard) {
      await cluster.node(DATA_NODE).powerOff()
      await cluster.node(DATA_NODE).start()
    } else {
      await services.kill('data')
    }
    const killedMs = performance.now()
    const before = writers.acknowledged()
    await eventually('writes are acknowledged again', async () => {
      if (writers.acknowledged() > before + 100) return true
      await services.skipBackOff('data').catch(() => undefined)
      await pause(BACK_OFF_CHECK_MS)
      return false
    }, PATIENCE_MS)
    const againMs = performance.now() - killedMs
    const loaded = await held()
    await writers.stop()
    report = { ...await checkAll(data, ledgers), kills: round }
    print(`${isBoard ? 'power of the board off and on, ' : ''}${lineOf(round, report)}; writes again after ${(againMs / 1000).toFixed(1)} s; ${loaded} under load`)
  }
  for (const database of Object.keys(ledgers)) await checkWithSqlite(data, database)
  return report
}
