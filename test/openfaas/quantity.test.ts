import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { parseCpu, parseMemory } from '../../platform/openfaas/quantity.ts'
import { cases } from '../kit.ts'

cases('an amount of memory becomes bytes', [
  { name: '64Mi', bytes: 64 * 1024 * 1024 },
  { name: '1Ki', bytes: 1024 },
  { name: '2Gi', bytes: 2 ** 31 },
  { name: '1Ti', bytes: 2 ** 40 },
  { name: '128M', bytes: 128_000_000 },
  { name: '5k', bytes: 5_000 },
  { name: '1G', bytes: 1e9 },
  { name: '1T', bytes: 1e12 },
  { name: '1000', bytes: 1000 },
  { name: '1.5Mi', bytes: 1_572_864 },
  { name: '0.5Ki', bytes: 512 },
  { name: '128974848000m', bytes: 128_974_848 },
  { name: '1m', bytes: 1 },
], ({ name, bytes }) => assert.equal(parseMemory(name, 'limits.memory'), bytes))

cases('what is no amount of memory is refused, naming the field', [
  { name: 'nothing', text: '' },
  { name: 'zero', text: '0' },
  { name: 'zero of a unit', text: '0Mi' },
  { name: 'less than nothing', text: '-1Mi' },
  { name: 'a unit in lower case', text: '64mi' },
  { name: 'a unit of bytes', text: '64MB' },
  { name: 'a space', text: '64 Mi' },
  { name: 'a line end', text: '64Mi\n' },
  { name: 'words', text: 'lots' },
  { name: 'hexadecimal', text: '0x40' },
  { name: 'a point alone', text: '.Mi' },
  { name: 'two points', text: '1.2.3Mi' },
  { name: 'more bytes than a number holds', text: '9000000Ti' },
  { name: 'more digits than a number holds', text: '9'.repeat(400) },
], ({ text }) => assert.throws(() => parseMemory(text, 'limits.memory'), isInvalid('limits.memory')))

cases('an amount of CPU becomes thousandths of a core', [
  { name: '100m', milliCores: 100 },
  { name: '0.5', milliCores: 500 },
  { name: '2', milliCores: 2000 },
  { name: '0.001', milliCores: 1 },
  { name: '1500m', milliCores: 1500 },
], ({ name, milliCores }) => assert.equal(parseCpu(name, 'limits.cpu'), milliCores))

cases('what is no amount of CPU is refused, naming the field', [
  { name: 'nothing', text: '' },
  { name: 'zero', text: '0' },
  { name: 'zero thousandths', text: '0m' },
  { name: 'less than nothing', text: '-100m' },
  { name: 'a percentage', text: '50%' },
  { name: 'a memory unit', text: '1Gi' },
  { name: 'a comma', text: '0,5' },
  { name: 'infinity', text: 'Infinity' },
  { name: 'more digits than a number holds', text: '9'.repeat(400) },
], ({ text }) => assert.throws(() => parseCpu(text, 'limits.cpu'), isInvalid('limits.cpu')))

function isInvalid(field: string): (error: unknown) => boolean {
  return (error) => error instanceof BrambleError && error.code === 'INVALID' && error.message.startsWith(field)
}
