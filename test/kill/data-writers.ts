/** Writes of every kind on many connections at once, each noted in the ledger as it was answered; and readers of what is new. */
import { setTimeout as pause } from 'node:timers/promises'
import { ACCOUNTS, type Ledger, queryAnswer, REPEATS } from './data-ledger.ts'
import { callService, type Reply, type Target } from './service-call.ts'

export type Writers = {
  /** So far: answered calls that changed something. */
  acknowledged(): number
  /** Lets the calls under way end. */
  stop(): Promise<void>
}

const CONNECTIONS = 16
const READERS = 2
const SHOWN = 50
const MOST_PARTS = 8
/** What a client waits before it tries again. */
const PAUSE_MS = 20

type Kind = 'singles' | 'batches' | 'transfers' | 'onces'
type Statement = { readonly sql: string; readonly parameters?: readonly unknown[]; readonly expect?: { readonly changes: number } }

/** `name` is in every id: no two of them may be the same. */
export function startWriters(target: Target, ledgers: Readonly<Record<string, Ledger>>, name: string): Writers {
  let isOver = false
  let acknowledged = 0

  const execute = (database: string, statements: readonly Statement[], key?: string): Promise<Reply | undefined> =>
    callService(target, 'POST', `/v1/db/${database}/execute`, { json: { statements }, headers: key === undefined ? {} : { 'idempotency-key': key } })

  const write = async (database: string, ledger: Ledger, kind: Kind, id: string, statements: readonly Statement[]): Promise<void> => {
    const reply = await execute(database, statements)
    if (reply?.status === 200) {
      ledger[kind].add(id)
      acknowledged++
    } else if (reply === undefined || reply.status >= 500) {
      ledger.unknown.add(id)
      await pause(PAUSE_MS)
    } else if (isForLater(reply)) {
      await pause(PAUSE_MS)
    } else if (kind !== 'transfers' || reply.status !== 409) {
      throw new Error(`${kind} ${id}: ${reply.status} ${reply.text}`)
    }
  }
  const single = (database: string, ledger: Ledger, id: string) => write(database, ledger, 'singles', id, [
    { sql: 'INSERT INTO single VALUES (?, ?)', parameters: [id, { blob: Buffer.from(`${id};`.repeat(REPEATS)).toString('base64') }] },
  ])
  const batch = (database: string, ledger: Ledger, id: string) => {
    const parts = 2 + below(MOST_PARTS - 1)
    return write(database, ledger, 'batches', id, Array.from({ length: parts }, (_, number) => ({ sql: 'INSERT INTO part VALUES (?, ?, ?)', parameters: [id, number, parts] })))
  }
  /** Refused where the balance is too small, and then nothing of it may be there. */
  const transfer = (database: string, ledger: Ledger, id: string) => {
    const source = 1 + below(ACCOUNTS)
    const [target, amount] = [1 + source % ACCOUNTS, 1 + below(200)]
    return write(database, ledger, 'transfers', id, [
      { sql: 'UPDATE account SET balance = balance + ? WHERE id = ?', parameters: [amount, target] },
      { sql: 'INSERT INTO transfer VALUES (?, ?, ?, ?)', parameters: [id, source, target, amount] },
      { sql: 'UPDATE account SET balance = balance - ?1 WHERE id = ?2 AND balance >= ?1', parameters: [amount, source], expect: { changes: 1 } },
    ])
  }
  const refused = async (database: string, ledger: Ledger, id: string): Promise<void> => {
    const reply = await execute(database, [
      { sql: 'INSERT INTO refused VALUES (?)', parameters: [id] },
      { sql: 'UPDATE account SET balance = balance WHERE id = 0', expect: { changes: 1 } },
    ])
    if (reply?.status === 409) ledger.refused.add(id)
    else if (reply === undefined || reply.status >= 500 || isForLater(reply)) await pause(PAUSE_MS)
    else throw new Error(`refused ${id}: ${reply.status} ${reply.text}`)
  }
  /** Sent again with its key until it is answered: done once, whatever happened. */
  const once = async (database: string, ledger: Ledger, id: string): Promise<void> => {
    const tried = () => execute(database, [{ sql: 'INSERT INTO once VALUES (?)', parameters: [id] }], id)
    let reply = await tried()
    for (; reply === undefined || reply.status >= 500 || isForLater(reply); reply = await tried()) await pause(PAUSE_MS)
    // 409: it was carried out, and killed before the answer was kept.
    if (reply.status !== 200 && reply.status !== 409) throw new Error(`once ${id}: ${reply.status} ${reply.text}`)
    ledger.onces.add(id)
    acknowledged++
  }

  const databases = Object.entries(ledgers)
  const writer = async (number: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const [database, ledger] = databases[i % databases.length] ?? []
      if (database === undefined || ledger === undefined) return
      const id = `${name}-${number}-${i}`
      const chance = below(10)
      if (chance < 5) await single(database, ledger, id)
      else if (chance < 7) await batch(database, ledger, id)
      else if (chance < 8) await transfer(database, ledger, id)
      else if (chance < 9) await refused(database, ledger, id)
      else await once(database, ledger, id)
    }
  }
  /** What a query has shown must not be gone later, acknowledged or not. */
  const reader = async (number: number): Promise<void> => {
    for (let i = number; !isOver; i++) {
      const [database, ledger] = databases[i % databases.length] ?? []
      if (database === undefined || ledger === undefined) return
      const reply = await callService(target, 'POST', `/v1/db/${database}/query`, { json: { sql: `SELECT id FROM single ORDER BY rowid DESC LIMIT ${SHOWN}` } })
      if (reply?.status === 200) for (const [id] of queryAnswer.parse(reply.body).results[0].rows) ledger.singles.add(String(id))
      await pause(PAUSE_MS)
    }
  }
  const work = Promise.all([...Array.from({ length: CONNECTIONS }, (_, number) => writer(number)), ...Array.from({ length: READERS }, (_, number) => reader(number))])
  // Told by stop().
  work.catch(() => undefined)
  return {
    acknowledged: () => acknowledged,
    async stop() {
      isOver = true
      await work
    },
  }
}

/** Nothing was done. */
function isForLater({ status }: Reply): boolean {
  return status === 0 || status === 429
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit)
}
