/** For those who run the service: looking after contents, by hand. */
import { json } from '@bramble/runtime/service/answer'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Scrub } from '../scrub.ts'
import type { Upkeep } from '../upkeep.ts'
import type { Caller } from './access.ts'

const ScrubState = z.object({
  running: z.boolean(),
  started_at: z.string().optional(), finished_at: z.string().optional(), contents: z.int().optional(), bytes: z.int().optional(),
  damaged: z.array(z.string()).optional().describe('Hashes of contents that are not what they were'),
  missing: z.array(z.string()).optional().describe('Hashes that files name and that are not there'),
})
const Removed = z.object({ uploads: z.int(), parts: z.int(), files: z.int(), contents: z.int() })

export function serviceRoutes({ scrub, upkeep }: { readonly scrub: Scrub; readonly upkeep: Upkeep }): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const same = { tag: 'service', access: 'service' } as const
  const state = () => {
    const report = scrub.report()
    return { running: report !== undefined && report.finished_at === undefined, ...report }
  }
  return [
    route({
      ...same, method: 'get', at: '/v1/scrub', id: 'getScrub', summary: 'What the last comparison of all contents with their hashes has found',
      answers: { 200: { description: 'Of this process', schema: ScrubState } },
      handle: () => json(state()),
    }),
    route({
      ...same, method: 'post', at: '/v1/scrub', id: 'startScrub', summary: 'Compares all contents with their hashes, at the pace of scrub_speed',
      answers: { 202: { description: 'It is under way', schema: ScrubState } },
      handle() {
        scrub.start()
        return json(state(), 202)
      },
    }),
    route({
      ...same, method: 'post', at: '/v1/upkeep', id: 'runUpkeep', summary: 'Removes what nobody needs any more, as it is done every `upkeep_every`',
      answers: { 200: { description: 'How many of each', schema: Removed } },
      handle: async () => json(await upkeep.round()),
    }),
  ]
}
