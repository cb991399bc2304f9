/** Statements whose outcome is the same each time and in each version (`length()` of a text that is no UTF-8 is not), many of which fail, over tables with everything that has a rule of its own. */
import type { Random } from './engine/random.ts'
import { valueOf } from './engine/random-statements.ts'
import type { Parameter } from '../../../functions/data/engine/types.ts'

export type DifferentialStatement = { readonly sql: string; readonly parameters?: readonly Parameter[]; readonly expect?: { readonly changes: number } }

export const schema: readonly string[] = [
  `CREATE TABLE thing (
    id INTEGER PRIMARY KEY, whole INTEGER, part REAL, text TEXT UNIQUE COLLATE NOCASE, bytes BLOB, number NUMERIC, anything,
    size AS (length(bytes)) STORED, loud AS (upper(text) || '!') VIRTUAL, CHECK (whole IS NULL OR whole <> 13)
  )`,
  `CREATE TABLE child (
    id INTEGER PRIMARY KEY AUTOINCREMENT, thing REFERENCES thing (id) ON DELETE CASCADE ON UPDATE SET NULL,
    note NOT NULL DEFAULT 'none', other REFERENCES child (id) DEFERRABLE INITIALLY DEFERRED
  )`,
  'CREATE TABLE pair (a, b, value, PRIMARY KEY (a, b DESC)) WITHOUT ROWID',
  'CREATE TABLE strict_one (i INTEGER, r REAL, t TEXT NOT NULL, b BLOB, x ANY) STRICT',
  'CREATE TABLE told (id INTEGER PRIMARY KEY, what TEXT, value)',
  'CREATE VIRTUAL TABLE words USING fts4 (text)',
  'CREATE INDEX thing_by_kind ON thing (typeof(anything), number) WHERE anything IS NOT NULL',
  'CREATE INDEX child_by_thing ON child (thing, note DESC)',
  'CREATE VIEW loud_thing AS SELECT id, loud, size FROM thing WHERE loud IS NOT NULL',
  `CREATE TRIGGER thing_made AFTER INSERT ON thing BEGIN INSERT INTO told (what, value) VALUES ('made', new.anything); END`,
  `CREATE TRIGGER thing_changed AFTER UPDATE OF whole, text ON thing WHEN old.whole IS NOT new.whole BEGIN INSERT INTO told (what, value) VALUES ('whole', new.whole); END`,
  `CREATE TRIGGER thing_guard BEFORE INSERT ON thing WHEN new.whole = 66 BEGIN SELECT RAISE(ABORT, 'not that one'); END`,
  `CREATE TRIGGER child_gone AFTER DELETE ON child BEGIN INSERT INTO told (what, value) VALUES ('child gone', old.note); END`,
  `CREATE TRIGGER loud_made INSTEAD OF INSERT ON loud_thing BEGIN INSERT INTO thing (text) VALUES (lower(new.loud)); END`,
]

type Make = (random: Random) => DifferentialStatement

const changes: readonly [Make, ...Make[]] = [
  (random) => ({
    sql: 'INSERT INTO thing (whole, part, text, bytes, number, anything) VALUES (?, ?, ?, ?, ?, ?)',
    parameters: [wholeOf(random), realOf(random), wordOf(random), random.bytes(random.below(40)), valueOf(random), valueOf(random)],
  }),
  (random) => ({ sql: `INSERT OR ${random.pick(['IGNORE', 'REPLACE', 'FAIL', 'ABORT', 'ROLLBACK'])} INTO thing (id, text, anything) VALUES (?, ?, ?), (?, ?, ?)`, parameters: [random.below(60), wordOf(random), valueOf(random), random.below(60), wordOf(random), valueOf(random)] }),
  (random) => ({ sql: 'INSERT INTO thing (text, whole) VALUES (?, ?) ON CONFLICT (text) DO UPDATE SET whole = coalesce(whole, 0) + excluded.whole WHERE excluded.whole > 0 RETURNING id, text, whole, typeof(whole), loud', parameters: [wordOf(random), wholeOf(random)] }),
  (random) => ({ sql: 'UPDATE thing SET whole = whole + ?, part = part * 1.5, anything = CASE typeof(anything) WHEN \'blob\' THEN anything ELSE anything || ? END WHERE id % 5 = ?', parameters: [wholeOf(random), wordOf(random), random.below(5)] }),
  (random) => ({ sql: 'UPDATE thing SET bytes = zeroblob(?), text = text || id WHERE size > ? RETURNING id, size, length(loud)', parameters: [random.below(900), random.below(40)] }),
  (random) => ({ sql: 'UPDATE OR IGNORE thing SET text = ? WHERE id IN (?, ?)', parameters: [wordOf(random), random.below(60), random.below(60)] }),
  (random) => ({ sql: 'UPDATE thing SET id = id + 100 WHERE id = ?', parameters: [random.below(60)] }),
  (random) => ({ sql: 'UPDATE child SET note = value FROM told WHERE told.id = child.id + ?', parameters: [random.below(5)] }),
  (random) => ({ sql: 'DELETE FROM thing WHERE id % 9 = ? RETURNING id, anything', parameters: [random.below(9)] }),
  (random) => ({ sql: 'DELETE FROM child WHERE id < ? AND thing IS NULL', parameters: [random.below(80)] }),
  (random) => ({ sql: 'DELETE FROM told WHERE id % 4 = ?', parameters: [random.below(4)] }),
  (random) => ({ sql: 'INSERT INTO child (thing, note) VALUES (?, ?)', parameters: [random.below(70), valueOf(random)] }),
  (random) => ({ sql: 'INSERT INTO child (thing, other) SELECT id, ? FROM thing ORDER BY id LIMIT 3', parameters: [random.below(2) === 0 ? null : random.below(60)] }),
  (random) => ({ sql: 'REPLACE INTO pair VALUES (?, ?, ?)', parameters: [valueOf(random), random.below(6), valueOf(random)] }),
  (random) => ({ sql: 'INSERT INTO pair VALUES (?, ?, ?) ON CONFLICT DO NOTHING', parameters: [random.below(4), random.below(6), valueOf(random)] }),
  (random) => ({ sql: 'DELETE FROM pair WHERE typeof(a) = ? AND b < ?', parameters: [random.pick(['text', 'integer', 'blob', 'real']), random.below(6)] }),
  (random) => ({ sql: 'INSERT INTO strict_one VALUES (?, ?, ?, ?, ?)', parameters: [valueOf(random), realOf(random), wordOf(random), random.bytes(random.below(9)), valueOf(random)] }),
  (random) => ({ sql: 'INSERT INTO strict_one (i, t, x) VALUES (?, ?, ?)', parameters: [wholeOf(random), wordOf(random), realOf(random)] }),
  (random) => ({ sql: 'INSERT INTO words (text) VALUES (?)', parameters: [`${wordOf(random)} and ${wordOf(random)}`] }),
  (random) => ({ sql: 'INSERT INTO loud_thing (loud) VALUES (?)', parameters: [wordOf(random)] }),
  (random) => ({ sql: `CREATE TABLE IF NOT EXISTS extra${random.below(3)} (a, b DEFAULT (1 + 2.5), c GENERATED ALWAYS AS (a || b))` }),
  (random) => ({ sql: `ALTER TABLE extra${random.below(3)} ADD COLUMN d${random.below(4)} TEXT DEFAULT 'later'` }),
  (random) => ({ sql: `INSERT INTO extra${random.below(3)} (a) SELECT anything FROM thing ORDER BY id LIMIT 5` }),
  (random) => ({ sql: `DROP TABLE ${random.pick(['', 'IF EXISTS '])}extra${random.below(3)}` }),
  (random) => ({ sql: 'INSERT INTO thing (whole) VALUES (?)', parameters: [random.pick([13, 66])] }),
  (random) => ({ sql: 'INSERT INTO thing (id) VALUES (?)', parameters: [wordOf(random)] }),
  () => ({ sql: 'UPDATE thing SET whole = abs(-9223372036854775807 - 1)' }),
  () => ({ sql: 'INSERT INTO child (note) VALUES (NULL)' }),
  () => ({ sql: 'INSERT INTO nowhere VALUES (1)' }),
  () => ({ sql: 'UPDATE thing SET size = 1' }),
  () => ({ sql: 'INSERT INTO thing (whole) VALUES (1' }),
  () => ({ sql: 'REINDEX thing' }),
]

const queries: readonly [Make, ...Make[]] = [
  (random) => ({ sql: 'SELECT *, typeof(whole), typeof(part), typeof(number), typeof(anything) FROM thing WHERE id >= ? ORDER BY id LIMIT 20', parameters: [random.below(60)] }),
  () => ({ sql: 'SELECT count(*), total(part), avg(part), min(anything), max(anything), count(DISTINCT text), group_concat(text, \',\') FROM (SELECT * FROM thing ORDER BY id)' }),
  () => ({ sql: 'SELECT sum(whole) FROM thing' }),
  (random) => ({ sql: 'SELECT typeof(anything) AS kind, count(*), sum(length(anything)) FROM thing GROUP BY kind HAVING count(*) > ? ORDER BY kind', parameters: [random.below(3)] }),
  () => ({ sql: 'SELECT id, anything, row_number() OVER (ORDER BY anything, id), sum(id) OVER (ORDER BY id ROWS 2 PRECEDING), lag(text, 1, \'first\') OVER (ORDER BY id) FROM thing ORDER BY id LIMIT 30' }),
  (random) => ({ sql: 'SELECT t.id, c.id, c.note FROM thing t LEFT JOIN child c ON c.thing = t.id WHERE t.text LIKE ? ORDER BY t.id, c.id', parameters: [`${wordOf(random).slice(0, 2)}%`] }),
  () => ({ sql: 'SELECT a, b, value, typeof(a), typeof(value) FROM pair ORDER BY a, b DESC' }),
  () => ({ sql: 'SELECT * FROM strict_one ORDER BY rowid' }),
  () => ({ sql: 'SELECT * FROM told ORDER BY id DESC LIMIT 40' }),
  (random) => ({ sql: 'SELECT rowid, text FROM words WHERE words MATCH ? ORDER BY rowid', parameters: [random.pick(['ada', 'bob', 'cem', 'eva'])] }),
  (random) => ({ sql: 'WITH RECURSIVE f (n, a, b) AS (SELECT 1, 0, 1 UNION ALL SELECT n + 1, b, a + b FROM f WHERE n < ?) SELECT n, a, typeof(a) FROM f', parameters: [80 + random.below(30)] }),
  (random) => ({ sql: 'SELECT ?1, typeof(?1), ?1 = ?2, ?1 < ?2, ?1 || ?2, ?1 + ?2, ?1 IS ?2, hex(?1), length(?1)', parameters: [valueOf(random), valueOf(random)] }),
  (random) => ({ sql: 'SELECT CAST(?1 AS INTEGER), CAST(?1 AS REAL), CAST(?1 AS NUMERIC), -?1, ~?1, ?1 / 7, ?1 % 7, ?1 >> 3', parameters: [wholeOf(random)] }),
  (random) => ({ sql: `SELECT json_object('v', ?1), json_array(?1, 'x', NULL), json_extract('{"a":[1,2.5,"b"]}', '$.a[' || ?2 || ']')`, parameters: [wholeOf(random), random.below(4)] }),
  (random) => ({ sql: `SELECT printf('%d %s %05.2f', ?, ?, ?), strftime('%Y-%m-%d %H:%M:%f', ?, 'unixepoch'), replace(?, 'a', 'ä'), unicode('ß'), char(8364), instr('abc', 'c')`, parameters: [random.below(99), wordOf(random), random.below(999) / 8, random.below(2_000_000_000), wordOf(random)] }),
  () => ({ sql: 'SELECT 9223372036854775807, -9223372036854775808, 9223372036854775807 + 1, 9007199254740991, 9007199254740993, 1e308 * 10, -1e308 * 10, 1e300, 0.1 + 0.2, 5e-324' }),
  () => ({ sql: `SELECT x'', x'00ff', zeroblob(3), '', NULL, 'ü€𝄞', 1 WHERE TRUE` }),
  () => ({ sql: 'SELECT missing FROM thing' }),
  () => ({ sql: 'SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)' }),
  () => ({ sql: `SELECT json('{')` }),
  () => ({ sql: 'SELECT * FROM' }),
]

export function queryOf(random: Random): DifferentialStatement {
  return random.pick(queries)(random)
}

/** Some of them with a condition that does not hold, most of the time. */
export function changesOf(random: Random): DifferentialStatement[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const statement = random.pick(random.below(5) === 0 ? queries : changes)(random)
    return random.below(15) === 0 ? { ...statement, expect: { changes: random.below(3) } } : statement
  })
}

function wordOf(random: Random): string {
  return `${random.pick(['ada', 'Bob', 'cem', 'DÖNE', 'eva', 'fumi 𝄞'])}${random.below(6)}`
}

function wholeOf(random: Random): Parameter {
  return random.pick([null, random.below(70), -random.below(2 ** 31), 2 ** 31 + random.below(99), 2n ** 53n + BigInt(random.below(9)), 2n ** 63n - 1n - BigInt(random.below(3)), -(2n ** 63n) + BigInt(random.below(3))])
}

function realOf(random: Random): Parameter {
  return random.pick([0.5, -1 / 3, { real: random.below(9) }, { real: -(2 ** 40) }, random.below(1_000) / 64, 1e-300, 2.5e15 + 0.5, 1.7e308, -1e22, Infinity])
}
