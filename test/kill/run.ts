/**
 * `npm run test:kill -- NAME [cluster] [ROUNDS]`: a service killed again and again under load. Nothing that it has acknowledged may be lost.
 * With `cluster` as a pod (needs what the cluster suite needs).
 */
import { albumKills, type AlbumKillsReport } from './album-kills.ts'
import { authKills, type AuthKillsReport, authLineOf } from './auth-kills.ts'
import { authKillsOnCluster } from './auth-on-cluster.ts'
import { dataKills, type DataKillsReport } from './data-kills.ts'
import { dataKillsOnCluster } from './data-on-cluster.ts'
import { filesKills } from './files-kills.ts'
import { schedulerKills, type SchedulerKillsReport } from './scheduler-kills.ts'
import { monitorKills, type MonitorKillsReport } from './monitor-kills.ts'

type Kill = (rounds: number) => Promise<boolean>

const ROUNDS = 10
const LONGEST_LIFE_MS = 3_000
const SCHEDULER_LEASE_MS = 3000
const print = (line: string): void => { console.log(line) }

const kills: Readonly<Record<string, Kill>> = {
  data: async (rounds) => isGood('data', await dataKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })),
  'data cluster': async (rounds) => isGood('data as a pod', await dataKillsOnCluster({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })),
  auth: async (rounds) => isAuthGood('auth', await authKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })),
  async files(rounds) {
    const { kills: killed, acknowledged, offsets, lost, damaged } = await filesKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })
    print(`files: ${killed} kills, ${acknowledged} changes acknowledged and ${offsets} offsets told, ${lost} lost (goal 0), ${damaged} damaged (goal 0)`)
    return lost + damaged === 0
  },
  'auth cluster': async (rounds) => isAuthGood('auth as a pod', await authKillsOnCluster({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })),
  album: async (rounds) => isAlbumGood('album', await albumKills({ rounds, print })),
  scheduler: async (rounds) => isSchedulerGood(await schedulerKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, leaseMs: SCHEDULER_LEASE_MS, print })),
  monitor: async (rounds) => isMonitorGood(await monitorKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })),
}

function isGood(who: string, { kills: killed, acknowledged, missing, half, unknown, unknownDone }: DataKillsReport): boolean {
  print(`${who}: ${killed} kills, ${acknowledged} writes acknowledged, ${missing} lost (goal 0), ${half} half done (goal 0); ` +
    `of ${unknown} whose answer was lost ${unknownDone} were done; integrity_check ok`)
  return missing === 0 && half === 0
}

function isAuthGood(who: string, report: AuthKillsReport): boolean {
  print(authLineOf(`${who}, ${report.kills} kills`, report))
  return report.lost + report.revived + report.half === 0
}

/** What was lost has thrown. */
function isAlbumGood(who: string, { kills: killed, people, overlaps }: AlbumKillsReport): boolean {
  print(`${who}: ${killed} kills, ${people} people, whose photos, thumbnails and lists are there; ${overlaps} clean-ups at the same time (goal 0)`)
  return overlaps === 0 && killed > 0
}

function isSchedulerGood({ kills: killed, acknowledged, calls, lost, untold, overlaps, stale, repeated, takenOver, gapMs }: SchedulerKillsReport): boolean {
  print(`scheduler, ${killed} kills: ${acknowledged} jobs acknowledged, ${lost} not run (goal 0), ${untold} not told of (goal 0), ${overlaps} at the same time (goal 0), ${stale} stale results kept (goal 0); ` +
    `${calls} calls, ${takenOver} given back (the next call after ${(gapMs.median / 1000).toFixed(1)} s, at most ${(gapMs.most / 1000).toFixed(1)}; the lease is ${SCHEDULER_LEASE_MS / 1000}), ${repeated} jobs run to their end more than once`)
  return lost + untold + overlaps + stale === 0
}

function isMonitorGood({ kills: killed, acknowledged, missing, doubled, retried }: MonitorKillsReport): boolean {
  print(`monitor: ${killed} kills, ${acknowledged} lines acknowledged, ${missing} lost (goal 0), ${doubled} there twice (goal 0); ${retried} pushes were sent again with their key`)
  return missing + doubled === 0
}

const words = process.argv.slice(2)
const name = words.filter((word) => !/^\d+$/.test(word)).join(' ')
const kill = kills[name]
if (kill === undefined) throw new Error(`no kill test is called ${name}; there are ${Object.keys(kills).join(', ')}`)
const rounds = Number(words.find((word) => /^\d+$/.test(word)) ?? ROUNDS)
if (rounds < 1) throw new Error('at least one round')
if (!await kill(rounds)) process.exitCode = 1
