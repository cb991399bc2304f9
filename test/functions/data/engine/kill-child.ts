/** An engine that writes as fast as it can, and says what it was told: to be killed. Arguments: folder, writers, how long it may live. */
import { writeSync } from 'node:fs'
import { createEngine } from '../../../../functions/data/engine/engine.ts'

const [folder = '', writers = '8', limitMs = '30000'] = process.argv.slice(2)
const complain = (message: string, fields?: object): void => console.error(message, JSON.stringify(fields))
const engine = createEngine({
  settings: { folder, trustsFolder: true, limits: { snapshotEveryBytes: 150_000, historyMs: 0 } }, log: { info: () => undefined, warn: complain, error: complain },
})
await engine.start()
await engine.create('db')
await engine.execute('db', { statements: [
  { sql: 'CREATE TABLE IF NOT EXISTS told (id TEXT PRIMARY KEY, filler BLOB)' },
  { sql: 'CREATE TABLE IF NOT EXISTS twins (id TEXT PRIMARY KEY) WITHOUT ROWID' },
] })
writeSync(1, 'ready\n')
let count = 0
const life = Date.now() + Number(limitMs)
await Promise.all(Array.from({ length: Number(writers) }, async () => {
  while (Date.now() < life) {
    const id = `${process.pid}-${count++}`
    await engine.execute('db', { statements: [
      { sql: 'INSERT INTO told VALUES (?, randomblob(?))', parameters: [id, 20 + count % 2000] },
      { sql: 'INSERT INTO twins VALUES (?)', parameters: [id] },
      { sql: 'DELETE FROM told WHERE rowid IN (SELECT rowid FROM told ORDER BY rowid LIMIT 1) AND (SELECT count(*) FROM told) > 2000' },
    ] })
    // At once, past all buffers: who is killed has told this or has not.
    writeSync(1, `${id}\n`)
  }
}))
