/** Runs of a replica that is taken for dead go back to their queues. Whoever showed another beat meanwhile keeps his. */
import type { Statement } from '@bramble/runtime/service/database'
import { LOG_ENTRY } from './finish.ts'

export function takeOverStatements(owner: string, beat: number | null): readonly Statement[] {
  return [
    { sql: 'DELETE FROM replicas WHERE owner = :owner AND beat IS :beat', parameters: { owner, beat } },
    {
      // Its attempt does not count, for nothing is known against the target; and it keeps its place in the line.
      sql: `UPDATE runs SET state = 'queued', owner = NULL, attempts = attempts - 1, lapses = lapses + 1, log = ${LOG_ENTRY}
        WHERE owner = :owner AND state = 'running' AND NOT EXISTS (SELECT 1 FROM replicas WHERE owner = :owner)`,
      parameters: { owner, entry: JSON.stringify({ event: 'lapsed', detail: 'the replica that ran it was not heard of any more', replica: owner }) },
    },
  ]
}
