import * as assert from 'node:assert/strict'
import { isNothing, statementKind, type StatementKind } from '../../../../functions/data/engine/statement-kind.ts'
import { cases, test } from '../../../kit.ts'

const statements: readonly { readonly name: string; readonly kind: StatementKind }[] = [
  { name: 'SELECT 1', kind: 'select' },
  { name: '\uFEFF\t-- a comment\n/* and * another */ ;; select 1', kind: 'select' },
  { name: 'VALUES (1)', kind: 'select' },
  { name: 'explain query plan select 1', kind: 'explain' },
  { name: 'explain insert into t values (1)', kind: 'explain' },
  { name: 'EXPLAIN PRAGMA foreign_keys = 0', kind: 'refused' },
  { name: 'EXPLAIN /* x */ QUERY PLAN -- y\n PRAGMA foreign_keys = 0', kind: 'refused' },
  { name: 'EXPLAIN', kind: 'refused' },
  { name: 'INSERT INTO t VALUES (1)', kind: 'insert' },
  { name: 'REPLACE INTO t VALUES (1)', kind: 'insert' },
  { name: 'with a as (select 1) select * from a', kind: 'select' },
  { name: `WITH RECURSIVE a(x) AS (VALUES (')') UNION SELECT ")" FROM [)] /* ) */ -- )\n), b AS (DELETE) UPDATE t SET a = 1`, kind: 'update' },
  { name: 'WITH "insert" AS (SELECT 1), `delete` AS (SELECT 2) SELECT 3', kind: 'select' },
  { name: 'WITH inserted AS (SELECT 1) DELETE FROM t', kind: 'delete' },
  { name: 'CREATE TABLE t (a)', kind: 'schema' },
  { name: 'PRAGMA x', kind: 'refused' },
  { name: 'pragma(x)', kind: 'refused' },
  { name: 'VACUUM', kind: 'refused' },
  { name: 'ATTACH x AS y', kind: 'refused' },
  { name: '(SELECT 1)', kind: 'refused' },
  { name: '', kind: 'empty' },
  { name: ' ; -- nothing', kind: 'empty' },
  { name: '/* never closed SELECT 1', kind: 'empty' },
]

cases('what a statement does', statements, ({ name, kind }) => assert.equal(statementKind(name).kind, kind))

test('only space, comments and semicolons are nothing', () => {
  assert.ok(isNothing(' ;\n-- x\n/* y */;'))
  assert.ok(!isNothing('; SELECT 1'))
})
