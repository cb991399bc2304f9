/** What the watch must not forget: alerts, silences, changed rules and messages on their way. One file, replaced as a whole. */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFolders } from '@bramble/runtime/service/node-folders'
import * as z from 'zod'

const Labels = z.record(z.string(), z.string())
const AlertShape = z.object({
  key: z.string(), rule: z.string(), labels: Labels, state: z.enum(['pending', 'firing', 'resolved']), sinceMs: z.number(), value: z.number(),
  toldMs: z.number().optional(), toldAs: z.enum(['firing', 'resolved']).optional(),
})
const RuleShape = z.object({
  name: z.string(), expr: z.string(), forMs: z.number(), severity: z.enum(['info', 'warning', 'critical']), summary: z.string(), isEnabled: z.boolean(),
})
const SilenceShape = z.object({ id: z.string(), match: Labels, untilMs: z.number(), comment: z.string() })
const MessageShape = z.object({
  id: z.string(), madeMs: z.number(), tries: z.number(), dueMs: z.number(), to: z.array(z.enum(['webhook', 'mail'])),
  alerts: z.array(z.object({
    rule: z.string(), state: z.enum(['firing', 'resolved']), severity: z.enum(['info', 'warning', 'critical']), labels: Labels, value: z.number(), summary: z.string(), since: z.string(),
  })),
})
const State = z.object({
  alerts: z.array(AlertShape), rules: z.array(RuleShape), silences: z.array(SilenceShape), messages: z.array(MessageShape),
})

export type Message = z.output<typeof MessageShape>
export type WatchState = z.output<typeof State>

export type StateFile = {
  /** Nothing, where there is none or it cannot be read. */
  read(): Promise<WatchState>
  /** Resolves when it is on the disk; what is as before is not written. */
  write(state: WatchState): Promise<void>
}

const FILE = 'alerts.json'

/** Empty `folder`: it is forgotten with the process. */
export function createStateFile(folder: string): StateFile {
  let written = ''
  return {
    async read() {
      const empty: WatchState = { alerts: [], rules: [], silences: [], messages: [] }
      if (folder === '') return empty
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const text = await readFile(join(folder, FILE), 'utf8').catch(() => '')
      if (text === '') return empty
      const state = stateIn(text)
      if (state === undefined) {
        // Kept for whoever wants to look; the service must come up.
        await rename(join(folder, FILE), join(folder, `${FILE}.bad`))
        return empty
      }
      written = asText(state)
      return state
    },
    async write(state) {
      const text = asText(state)
      if (folder === '' || text === written) return
      const path = join(folder, FILE)
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      await nodeFolders.syncFolder(folder)
      written = text
    },
  }
}

function stateIn(text: string): WatchState | undefined {
  try {
    return State.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Values change with every moment and come back by themselves: no reason to write. */
function asText(state: WatchState): string {
  return JSON.stringify({ ...state, alerts: state.alerts.map((alert) => ({ ...alert, value: 0 })) })
}
