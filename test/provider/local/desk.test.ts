import * as assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createDesk } from '../../../platform/provider/local/desk.ts'
import { test } from '../../kit.ts'

test('a full disk is told in words, as what the caller can act upon', async () => {
  const desk = createDesk()
  desk.open()
  // A device that is always full.
  await assert.rejects(desk.alone('openfaas-fn', 'echo', () => writeFile('/dev/full', 'a')),
    { code: 'UNAVAILABLE', message: /data_dir: its disk is full: make room/ })
})

test('what is no fault of the disk stays as it is', async () => {
  const desk = createDesk()
  desk.open()
  const error = new Error('other')
  await assert.rejects(desk.aloneIn('openfaas-fn', async () => { throw error }), error)
})
