import * as assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cases, test } from '../kit.ts'
import { checkLockfile } from './lockfile.ts'
import { ROOT } from './project.ts'

const read = (...path: readonly string[]): unknown => JSON.parse(readFileSync(join(ROOT, ...path), 'utf8'))
const rootLock = read('package-lock.json')

/** Every folder that is built as a function of its own. */
const functions = ['functions', 'test/fixtures/functions', 'test/bench/functions'].flatMap((parent) =>
  existsSync(join(ROOT, parent)) ? readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(ROOT, parent, entry.name, 'package.json')))
    .map((entry) => ({ name: `${parent}/${entry.name}` })) : [])

test('the functions are found', () => assert.ok(functions.some(({ name }) => name === 'functions/hello')))

cases('a function locks the versions that the whole repository locks', functions, ({ name }) => {
  const lock = existsSync(join(ROOT, name, 'package-lock.json')) ? read(name, 'package-lock.json') : undefined
  assert.deepEqual(checkLockfile(read(name, 'package.json'), lock, rootLock), [])
})

const root = {
  packages: {
    'node_modules/express': { version: '5.3.0', integrity: 'sha512-a' },
    'node_modules/ms': { version: '2.1.3', integrity: 'sha512-b' },
    'functions/f/node_modules/ms': { version: '2.0.0', integrity: 'sha512-c' },
  },
}
const manifest = { dependencies: { express: '5.3.0' } }
const lock = (express: string, extra = {}) => ({
  packages: { '': manifest, 'node_modules/express': { version: express, integrity: `sha512-${express === '5.3.0' ? 'a' : 'z'}` }, ...extra },
})

cases('a lockfile that differs is noticed', [
  { name: 'none, with no dependencies', manifest: {}, lock: undefined, says: [] },
  { name: 'none, with dependencies', manifest, lock: undefined, says: ['there is no package-lock.json'] },
  { name: 'the same', manifest, lock: lock('5.3.0'), says: [] },
  { name: 'another version', manifest, lock: lock('5.2.0'), says: ['express is 5.2.0, but 5.3.0 at the root'] },
  { name: 'a package the root does not have', manifest, lock: lock('5.3.0', { 'node_modules/left': { version: '1.0.0' } }), says: ['left 1.0.0 is not locked at the root'] },
  { name: 'a version the root has further down', manifest, lock: lock('5.3.0', { 'node_modules/ms': { version: '2.0.0', integrity: 'sha512-c' } }), says: [] },
  { name: 'other content under the same version', manifest, lock: { packages: { '': manifest, 'node_modules/express': { version: '5.3.0', integrity: 'sha512-q' } } }, says: ['express 5.3.0 has another integrity than at the root'] },
  { name: 'a dependency that is not locked', manifest: { dependencies: { express: '5.3.0', ms: '2.1.3' } }, lock: lock('5.3.0'), says: ['ms is declared but not locked', 'package-lock.json was made for other dependencies: run npm install there'] },
], ({ manifest: declared, lock: locked, says }) => assert.deepEqual(checkLockfile(declared, locked, root), says))
