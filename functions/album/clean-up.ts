/** What happens at night: photos that were deleted are gone for good, and nothing else of the trash. The scheduler service calls for it. */
import { log } from '@bramble/runtime'
import { jsonOf, type Services } from './services.ts'
import { itemsOf, textIn } from './shapes.ts'

export type CleanUp = {
  /** May be called again at any time. Answers of how many people. */
  run(callId: string): Promise<number>
  /** Makes the job, unless it is there; goes on trying, for the scheduler may start later than we do. */
  makeJob(): void
}

export type CleanUpDeps = {
  readonly call: Services
  readonly serviceToken: string
  /** Of the function, for the job. */
  readonly name: string
  readonly schedule: { readonly pattern: string; readonly timezone: string }
}

const PAGE = 200
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000

export function createCleanUp({ call, serviceToken, name, schedule }: CleanUpDeps): CleanUp {
  /** Whether there is nothing left to try. Throws where an answer does not come, or breaks off. */
  const tryToMakeJob = async (): Promise<boolean> => {
    const job = {
      // There is one of that key, however many replicas ask for it.
      name: `${name}: clean-up`, unique_key: `${name}-clean-up`, target: { function: name, path: '/clean-up' }, cron: schedule,
    }
    const answer = await call('scheduler/v1/jobs', {
      method: 'POST', token: serviceToken, callId: `${name}-start`, headers: { 'content-type': 'application/json' }, body: JSON.stringify(job),
    })
    if (answer.ok) {
      log.info('the nightly job is there', { job: textIn(await answer.json(), 'id') })
      return true
    }
    if (answer.status < 500 && answer.status !== 404 && answer.status !== 429) {
      log.error('the nightly job cannot be made', { status: answer.status, answer: await answer.text() })
      return true
    }
    await answer.body?.cancel()
    return false
  }
  const makeJob = async (waitMs: number): Promise<void> => {
    if (await tryToMakeJob().catch(() => false)) return
    setTimeout(() => void makeJob(Math.min(2 * waitMs, LONGEST_WAIT_MS)), waitMs).unref()
  }
  return {
    async run(callId) {
      let people = 0
      for (let cursor = ''; ;) {
        const page = await jsonOf(await call(`auth/v1/users?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { token: serviceToken, callId }))
        for (const user of itemsOf(page)) {
          const answer = await call(`files/v1/trash?folder=photos&owner=${encodeURIComponent(textIn(user, 'id'))}`, { method: 'DELETE', token: serviceToken, callId })
          if (!answer.ok) await jsonOf(answer)
          await answer.body?.cancel()
          people++
        }
        cursor = textIn(page, 'next_cursor')
        if (cursor === '') return people
      }
    },
    makeJob: () => void makeJob(FIRST_WAIT_MS),
  }
}
