/** The album while each service behind it, and it itself, is killed in the middle of what a person does. */
import { setTimeout as pause } from 'node:timers/promises'
import { isRecord, itemsOf, textIn } from '../../functions/album/shapes.ts'
import { type AlbumWorld, albumSteps } from '../e2e/album-steps.ts'
import { startLocalAlbum } from '../e2e/local-album.ts'
import { eventually } from '../kit.ts'
import { callService } from './service-call.ts'

export type AlbumKillsPlan = {
  /** People, one after another; each one meets every step with a kill in it. */
  readonly rounds: number
  readonly print: (line: string) => void
}

export type MortalAlbum = AlbumWorld & {
  readonly services: readonly string[]
  /** A process of the function, if one runs. */
  pidOf(name: string): Promise<number | undefined>
}

export type AlbumKillsReport = { readonly kills: number; readonly people: number; /** Clean-ups that began while another one ran. */ readonly overlaps: number }

/** After a step has begun. */
const LATEST_KILL_MS = 150
const PATIENCE_MS = 120_000

export async function albumKills({ rounds, print }: AlbumKillsPlan): Promise<AlbumKillsReport> {
  await using album = await startLocalAlbum({ isCalm: false })
  return await killAlbum({
    ...album,
    pidOf: async (name) => album.platform.replicas(name)[0]?.pid,
  }, { rounds, print })
}

/** Throws when something that was acknowledged is not there, or what must come does not. */
export async function killAlbum(album: MortalAlbum, { rounds, print }: AlbumKillsPlan): Promise<AlbumKillsReport> {
  let kills = 0
  /** The next in turn, over all rounds: with 11 steps and another number of services each step meets each service. */
  let turn = 0
  for (let round = 1; round <= rounds; round++) {
    for (const { name, run } of albumSteps(album)) {
      const victim = album.services[turn++ % album.services.length] ?? ''
      // Found before the step begins: looking for it takes longer than the step.
      const pid = await album.pidOf(victim)
      const killing = pause(Math.random() * LATEST_KILL_MS).then(() => pid !== undefined && process.kill(pid, 'SIGKILL'))
      const startedMs = performance.now()
      await run().catch((error: unknown) => {
        throw new Error(`person ${round} ${name}, while ${victim} was killed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      })
      const isKilled = await killing
      if (isKilled) kills++
      print(`person ${round} ${name}: ${isKilled ? `${victim} killed` : `${victim} was not running`}, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    }
  }
  return { kills, people: rounds, overlaps: await overlapsIn(album, rounds) }
}

/** Of all clean-ups, as the monitor has their lines: each one that ended, and the beginnings of others between its own and that. */
async function overlapsIn(album: AlbumWorld, rounds: number): Promise<number> {
  const lines = await eventually('the clean-ups are in the logs', async () => {
    const reply = await callService({ url: `${album.url}/function/monitor`, token: album.serviceToken }, 'GET', '/v1/logs?function=album&text=clean-up%20&order=asc&limit=1000')
    const found = itemsOf(reply?.body).map((item) => (isRecord(item) ? { text: textIn(item['fields'], 'message'), fence: isRecord(item['fields']) ? item['fields']['fence'] : 0 } : { text: '', fence: 0 }))
    return found.filter(({ text }) => text === 'clean-up ended').length >= rounds && found
  }, PATIENCE_MS)
  return countOverlaps(lines)
}

type Line = { readonly text: string; readonly fence: unknown }

/** Of those that ended; one that was killed has no end, and may be followed by the next. */
export function countOverlaps(lines: readonly Line[]): number {
  return lines.reduce((overlaps, { text, fence }, i) => {
    if (text !== 'clean-up ended') return overlaps
    const began = lines.findIndex((one) => one.text === 'clean-up begins' && one.fence === fence)
    return overlaps + lines.slice(began + 1, i).filter((one) => one.text === 'clean-up begins').length
  }, 0)
}
