/** What a function's pod holds on its worker, its shim and the pause container included: idle, and again after work. */
import { setTimeout as pause } from 'node:timers/promises'
import { runLoad } from '../../bench/server.ts'
import { showSpread, showTable, spreadOf } from '../../bench/statistics.ts'
import { untilReady, openScene, uidOf, loadLine, type Measure } from './measure.ts'
import { findPods, heldBy, type PodProcesses } from './pod-processes.ts'

/** On one worker, where they share Node's binary as they do on a board. */
const PODS = 6
const CALLS = 1_000
const BODY_BYTES = 10_000
const CALLS_PER_SECOND = 100
const REST_MS = 60_000
const MEBIBYTE = 2 ** 20

export const podMemory: Measure = async (print) => {
  await using scene = await openScene({ workers: 1 })
  const names = Array.from({ length: PODS }, (_, index) => `hello-${index + 1}`)
  for (const name of names) await scene.deploy(name, { constraints: ['kubernetes.io/hostname=zero-1'] })
  const uids = (await untilReady(scene, PODS)).map(uidOf)
  await pause(REST_MS)
  const rows = rowsOf('idle since its start', uids)
  for (const name of names) {
    const report = await runLoad({
      url: `${scene.platform.url}/function/${name}`, method: 'POST', bodyBytes: BODY_BYTES, ratePerSecond: CALLS_PER_SECOND, seconds: CALLS / CALLS_PER_SECOND,
    })
    if (report.failed > 0) throw new Error(`${report.failed} calls of ${name} failed: ${JSON.stringify(report.failures)}`)
  }
  await pause(REST_MS)
  rows.push(...rowsOf(`60 s after ${CALLS} calls of 10 KB`, uids))
  print(showTable(`memory of a pod of hello in MiB, ${PODS} on one worker, median (min-max)`, ['', 'private', 'PSS'], rows))
  print(loadLine())
}

function rowsOf(title: string, uids: readonly string[]): string[][] {
  const pods = [...findPods(uids).values()]
  if (pods.length !== uids.length) throw new Error(`of ${uids.length} pods the processes of ${pods.length} were found`)
  const held = (of: (pod: PodProcesses) => number[], kind: 'privateBytes' | 'pssBytes'): string =>
    showSpread(spreadOf(pods.map((pod) => of(pod).reduce((sum, pid) => sum + heldBy(pid)[kind], 0) / MEBIBYTE)), 1)
  const row = (name: string, of: (pod: PodProcesses) => number[]): string[] => [name, held(of, 'privateBytes'), held(of, 'pssBytes')]
  return [
    [title, '', ''],
    row('  function', ({ program }) => [program]),
    row('  shim', ({ shim }) => [shim]),
    row('  pause', ({ pause: one }) => [one]),
    row('  together', ({ program, pause: one, shim }) => [program, one, shim]),
  ]
}
