import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { parseGoDuration } from '../../platform/openfaas/duration.ts'
import { cases } from '../kit.ts'

cases('a duration is', [
  { name: 'milliseconds', text: '250ms', ms: 250 },
  { name: 'seconds', text: '30s', ms: 30_000 },
  { name: 'a fraction', text: '1.5s', ms: 1_500 },
  { name: 'several units', text: '1h30m5s', ms: 5_405_000 },
  { name: 'nothing', text: '0', ms: 0 },
  { name: 'nothing with a unit', text: '0s', ms: 0 },
], ({ text, ms }) => assert.equal(parseGoDuration(text, 'it'), ms))

cases('what is no duration is refused', [
  { name: 'empty', text: '' }, { name: 'a number', text: '30' }, { name: 'a word', text: 'soon' }, { name: 'days', text: '1d' },
  { name: 'a minus', text: '-5s' }, { name: 'a space', text: '5 s' }, { name: 'half of one', text: '5s6' }, { name: 'an exponent', text: '1e3s' },
], ({ text }) => assert.throws(() => parseGoDuration(text, 'it'),
  (error) => error instanceof BrambleError && error.code === 'INVALID' && error.message.startsWith('it must be a duration')))
