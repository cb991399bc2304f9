import * as assert from 'node:assert/strict'
import { formatDuration, parseDuration } from '../../platform/cli/duration.ts'
import { cases } from '../kit.ts'

cases('a duration is read', [
  { name: '250ms', ms: 250 }, { name: '90s', ms: 90_000 }, { name: '5m', ms: 300_000 }, { name: '1h30m', ms: 5_400_000 },
  { name: '1.5s', ms: 1500 }, { name: '2d', ms: 172_800_000 },
], ({ name, ms }) => assert.equal(parseDuration(name, '--since'), ms))

cases('what is none is refused', ['', '5', 'm', '5 m', '-5m', '5m!', 'x5m', '5y'].map((name) => ({ name: `"${name}"`, text: name })),
  ({ text }) => assert.throws(() => parseDuration(text, '--since'), { code: 'INVALID', message: /^--since / }))

cases('a duration is shown', [
  { name: '35 ms', ms: 35.4 }, { name: '1.2 s', ms: 1234 }, { name: '4 m 5 s', ms: 245_000 }, { name: '2 h 3 m', ms: 7_380_000 },
  { name: '3 d 4 h', ms: 273_600_000 },
], ({ name, ms }) => assert.equal(formatDuration(ms), name))
