/** Statements of many kinds, some of which fail, over a small schema with triggers, generated columns, foreign keys and an index of words. */
import type { SqlValue, Statement } from '../../../../functions/data/engine/types.ts'
import type { Random } from './random.ts'

export const schema: readonly Statement[] = [
  { sql: 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT UNIQUE, born TEXT DEFAULT CURRENT_TIMESTAMP, luck DEFAULT (random()), key BLOB DEFAULT (randomblob(16)), length AS (length(name)) STORED)' },
  { sql: 'CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER REFERENCES people (id) ON DELETE CASCADE, amount, note BLOB, CHECK (amount IS NULL OR amount <> 13))' },
  { sql: 'CREATE INDEX orders_by_person ON orders (person, amount)' },
  { sql: 'CREATE TABLE history (at TEXT, what TEXT, random INTEGER) STRICT' },
  { sql: `CREATE TRIGGER person_made AFTER INSERT ON people BEGIN INSERT INTO history VALUES (datetime('now', 'subsec'), 'made ' || new.name, random()); END` },
  { sql: `CREATE TRIGGER person_gone AFTER DELETE ON people BEGIN INSERT INTO history VALUES (CURRENT_TIMESTAMP, 'gone ' || old.name, random()); END` },
  { sql: 'CREATE VIRTUAL TABLE words USING fts4 (text)' },
  { sql: 'CREATE TABLE plain (a PRIMARY KEY, b) WITHOUT ROWID' },
]

type Make = (random: Random) => Statement

const makes: readonly [Make, ...Make[]] = [
  (random) => ({ sql: 'INSERT INTO people (name) VALUES (?)', parameters: [nameOf(random)] }),
  (random) => ({ sql: 'INSERT INTO people (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET luck = random() RETURNING id, luck', parameters: [nameOf(random)] }),
  (random) => ({ sql: 'INSERT OR ROLLBACK INTO people (name) VALUES (?)', parameters: [nameOf(random)] }),
  (random) => ({ sql: 'INSERT OR FAIL INTO people (name) SELECT name || ? FROM people LIMIT 5', parameters: [random.below(3)] }),
  (random) => ({ sql: 'INSERT INTO orders (person, amount, note) VALUES ((SELECT id FROM people ORDER BY random() LIMIT 1), ?, ?)', parameters: [valueOf(random), random.bytes(random.below(600))] }),
  (random) => ({ sql: 'INSERT INTO orders (person, amount) VALUES (?, ?)', parameters: [random.below(40), random.below(20)] }),
  (random) => ({ sql: 'INSERT INTO orders (amount, note) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT i, randomblob(i * 10) FROM n', parameters: [random.below(60)] }),
  (random) => ({ sql: 'UPDATE orders SET amount = amount + 1, note = randomblob(length(note) + 1) WHERE id % 7 = ?', parameters: [random.below(7)] }),
  (random) => ({ sql: 'UPDATE people SET name = name || :more WHERE id = :id', parameters: { more: random.below(10), id: random.below(40) } }),
  (random) => ({ sql: 'DELETE FROM people WHERE id % 11 = ?', parameters: [random.below(11)] }),
  (random) => ({ sql: 'DELETE FROM orders WHERE id < ?', parameters: [random.below(200)] }),
  (random) => ({ sql: 'INSERT INTO words (text) VALUES (?)', parameters: [`${nameOf(random)} and ${nameOf(random)}`] }),
  (random) => ({ sql: `DELETE FROM words WHERE words MATCH ?`, parameters: [nameOf(random)] }),
  (random) => ({ sql: 'REPLACE INTO plain VALUES (?, ?)', parameters: [valueOf(random), valueOf(random)] }),
  (random) => ({ sql: 'DELETE FROM plain WHERE typeof(a) = ?', parameters: [random.pick(['text', 'integer', 'blob'])] }),
  (random) => ({ sql: `CREATE TABLE IF NOT EXISTS extra${random.below(3)} (a, b DEFAULT (random()))` }),
  (random) => ({ sql: `INSERT INTO extra${random.below(3)} (a) SELECT note FROM orders LIMIT 20` }),
  (random) => ({ sql: `DROP TABLE IF EXISTS extra${random.below(3)}` }),
  (random) => ({ sql: `ALTER TABLE extra${random.below(3)} ADD COLUMN c${random.below(5)} DEFAULT 1` }),
  () => ({ sql: 'REINDEX' }),
  () => ({ sql: 'ANALYZE' }),
  () => ({ sql: 'INSERT INTO nowhere VALUES (1)' }),
  () => ({ sql: `INSERT INTO history VALUES (1, 2, 'three')` }),
]

export function transactionOf(random: Random): Statement[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const statement = random.pick(makes)(random)
    return random.below(12) === 0 ? { ...statement, expect: { changes: { min: 1 } } } : statement
  })
}

function nameOf(random: Random): string {
  return `${random.pick(['ada', 'bob', 'cem', 'döne', 'eva', 'fumi'])}${random.below(8)}`
}

export function valueOf(random: Random): SqlValue {
  switch (random.below(7)) {
    case 0: return null
    case 1: return random.below(1000) - 500
    case 2: return random.below(1_000_000) / 64
    case 3: return 2n ** 62n - BigInt(random.below(1000))
    case 4: return random.bytes(random.below(30))
    case 5: return nameOf(random).repeat(random.below(50))
    default: return `${random.below(100)}`
  }
}
