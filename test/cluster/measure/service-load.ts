/** Work for each service, through the gateway: what it is for, for some seconds. */
import { callService, type Reply, type Target } from '../../kill/service-call.ts'

export type ServiceLoad = {
  /** In the table. */
  readonly what: string
  run(service: Target): Promise<void>
}

const KIBIBYTE = 1024
const MEBIBYTE = KIBIBYTE ** 2
const ROUNDS = 40
/** A file of one day's photos. */
const FILE_BYTES = 5 * MEBIBYTE
const KEYS_IN_CALL = 400
const LINES_IN_CALL = 500

export const serviceLoads: Readonly<Record<string, ServiceLoad>> = {
  data: {
    what: '2,000 transactions of 1 KB, 16 at a time',
    async run(data) {
      await wanted(callService(data, 'PUT', '/v1/db/load'))
      await wanted(callService(data, 'PUT', '/v1/db/load/migrations', { json: { migrations: [{ id: '1', sql: 'CREATE TABLE t (a TEXT)' }] } }))
      const statements = [{ sql: 'INSERT INTO t VALUES (?)', parameters: ['x'.repeat(KIBIBYTE)] }]
      await abreast(16, 2_000, () => wanted(callService(data, 'POST', '/v1/db/load/execute', { json: { statements } })))
    },
  },
  auth: {
    what: '200 logins, 10 at a time, of one person with many addresses',
    async run(auth) {
      const json = { email: 'load@example.org', password: 'the analytical engine weaves' }
      await wanted(callService(auth, 'POST', '/v1/users', { json }))
      await abreast(10, 200, (number) => wanted(callService({ url: auth.url }, 'POST', '/v1/login', { json, headers: { 'x-forwarded-for': `10.1.${number >> 8}.${number & 255}` } })))
    },
  },
  cache: {
    what: `${ROUNDS * KEYS_IN_CALL} values of 4 KB written, more than there is room for`,
    async run(cache) {
      const entries = Array.from({ length: KEYS_IN_CALL }, (_, index) => ({ key: `k${index}`, text: 'x'.repeat(4 * KIBIBYTE) }))
      await abreast(4, ROUNDS, (round) => wanted(callService(cache, 'POST', `/v1/load/groups/g${round}/set`, { json: { entries } })))
    },
  },
  files: {
    what: `${ROUNDS} files of 5 MiB, 4 at a time, and read again`,
    async run(files) {
      await abreast(4, ROUNDS, async (round) => {
        const path = `${files.url}/v1/files/load/${round}.bin?owner=usr_load`
        const body = Buffer.alloc(FILE_BYTES, `file ${round} `)
        const headers = { authorization: `Bearer ${files.token}` }
        const stored = await fetch(path, { method: 'PUT', body, headers })
        if (!stored.ok) throw new Error(`${stored.status} ${await stored.text()}`)
        await stored.body?.cancel()
        const read = await fetch(path, { headers })
        if ((await read.arrayBuffer()).byteLength !== FILE_BYTES) throw new Error('the file came back shorter')
      })
    },
  },
  scheduler: {
    what: '300 jobs that call a function at once',
    run: (scheduler) => abreast(8, 300, () => wanted(callService(scheduler, 'POST', '/v1/jobs', { json: { target: { function: 'hello' } } }))),
  },
  monitor: {
    what: `${ROUNDS * LINES_IN_CALL} lines sent, 40 searches`,
    async run(monitor) {
      const lines = Array.from({ length: LINES_IN_CALL }, (_, index) => JSON.stringify({ function: 'load', level: 'info', message: `line ${index} ${'x'.repeat(100)}` })).join('\n')
      await abreast(2, ROUNDS, async () => {
        const sent = await fetch(`${monitor.url}/v1/lines`, { method: 'POST', body: lines, headers: { authorization: `Bearer ${monitor.token}`, 'content-type': 'application/x-ndjson' } })
        if (!sent.ok) throw new Error(`${sent.status} ${await sent.text()}`)
        await sent.body?.cancel()
        await wanted(callService(monitor, 'GET', '/v1/logs?function=load&text=line%20499'))
      })
    },
  },
}

async function abreast(width: number, count: number, work: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < count) await work(next++)
  }))
}

/** Too many at once is an answer too; a broken one is not. */
async function wanted(call: Promise<Reply | undefined>): Promise<void> {
  const reply = await call
  if (reply === undefined || reply.status === 0 || (reply.status > 299 && reply.status !== 429)) throw new Error(`${reply?.status ?? 'no answer'} ${reply?.text ?? ''}`)
}
