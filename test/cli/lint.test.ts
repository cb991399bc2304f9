import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { createWorkplace, ROOT } from './bramble.ts'
import { stackOf } from './platform.ts'

const handler = 'export default () => 1\n'

test('a stack without fault is 0, on both platforms', async () => {
  await using at = await createWorkplace({ 'stack.yml': stackOf({ hello: '' }), 'hello/handler.ts': handler })
  for (const target of ['bramble', 'openfaas-ce']) {
    assert.deepEqual(await at.bramble(['lint', '--target', target]), { code: 0, stdout: '', stderr: `1 function for ${target}: 0 errors, 0 warnings\n` })
  }
})

test('all that is wrong is told at once, each with place, function, field and what to do', async () => {
  await using at = await createWorkplace({
    'stack.yml': stackOf({
      one: 'labels: {com.openfaas.scale.min: many, com.openfaas.scale.mni: 1}\nconstraints: [zone]\nruntime_class: x', two: 'secrets: [A]', three: 'environment_file: [none.yml]', four: '',
    }),
    'one/handler.ts': handler, 'two/handler.ts': handler, 'three/handler.ts': handler, 'four/other.ts': handler,
  })
  const { code, stdout, stderr } = await at.bramble(['lint'])
  assert.equal(code, 1)
  assert.deepEqual(stdout.split('\n'), [
    'warning stack.yml:11:5: function one has no "runtime_class": it is ignored',
    'error stack.yml:9:38: one: labels com.openfaas.scale.min: label com.openfaas.scale.min must be a whole number, not "many"',
    'warning stack.yml:9:68: one: labels com.openfaas.scale.mni: nobody reads it: did you mean com.openfaas.scale.min?',
    'error stack.yml:10:18: one: constraints: constraint "zone" is not of the form key=value',
    'error stack.yml:16:14: two: secrets: secret name "A" is not valid: use lower-case letters, digits, "-" and ".", start and end with a letter or digit, at most 253 characters',
    'error stack.yml:17:3: three: environment_file none.yml of function three does not exist',
    'error stack.yml:24:14: four: handler: ./four has no handler.ts: create it with "export default …", or correct the handler of function four',
    '',
  ].map((line) => Buffer.from(line).toString('latin1')))
  assert.equal(stderr, '4 functions for bramble: 5 errors, 2 warnings\n')
})

test('of a schedule all is told but what its expressions mean', async () => {
  const topic = 'topic: cron-function'
  await using at = await createWorkplace({
    'stack.yml': stackOf({
      none: `annotations: {${topic}}`, never: 'annotations: {schedule: "* * * * *", bramble/overlap: kill}', fine: `annotations: {${topic}, schedule: "0 3 * * *", bramble/timezone: Europe/Paris}`,
      bad: `annotations: {${topic}, schedule: "0 3 * * *", bramble/timezone: Mars/One, bramble/overlap: kill, bramble/jitter: 2h}`,
    }),
    'none/handler.ts': handler, 'never/handler.ts': handler, 'fine/handler.ts': handler, 'bad/handler.ts': handler,
  })
  const { code, stdout } = await at.bramble(['lint'])
  assert.equal(code, 1)
  assert.deepEqual(stdout.trim().split('\n').map((line) => line.replace(/^(\w+) \S+: /, '$1 ')), [
    'error none: annotations topic: there is no annotation schedule for the topic cron-function: add one like "0 * * * *"',
    'warning never: annotations schedule: it never runs: add the annotation topic: cron-function',
    'error bad: annotations bramble/timezone: annotation bramble/timezone "Mars/One" is not a time zone like Europe/Paris or UTC',
    'error bad: annotations bramble/overlap: annotation bramble/overlap must be one of skip, queue, allow, not "kill"',
    'error bad: annotations bramble/jitter: annotation bramble/jitter must be 1h at most, not "2h"',
  ])
})

test('for OpenFaaS errors make it 1, warnings alone do not', async () => {
  await using at = await createWorkplace({
    'stack.yml': stackOf({ hello: 'annotations: {bramble/volume: /data}' }), 'hello/handler.ts': handler,
    'bad.yml': stackOf({ hello: 'labels: {com.openfaas.scale.zero: "true"}' }),
  })
  const warned = await at.bramble(['lint', '--target', 'openfaas-ce'])
  assert.deepEqual([warned.code, /^warning stack\.yml:9:35: hello: annotations bramble\/volume: Community Edition ignores it: /.test(warned.stdout)], [0, true], warned.stdout)
  const refused = await at.bramble(['lint', '--target', 'openfaas-ce', '-f', 'bad.yml'])
  assert.deepEqual([refused.code, /^error bad\.yml:9:39: hello: labels com\.openfaas\.scale\.zero: Community Edition refuses it: /.test(refused.stdout)], [1, true], refused.stdout)
  assert.equal((await at.bramble(['lint', '-f', 'bad.yml'])).code, 0, 'Bramble takes it')
})

test('what is wrong everywhere is told for OpenFaaS too, what is wrong on Bramble alone is not', async () => {
  await using at = await createWorkplace({
    'stack.yml': stackOf({ hello: 'labels: {com.openfaas.scale.mni: 1, com.openfaas.scale.min: x}\nannotations: {bramble/volum: /data}' }), 'hello/handler.ts': handler,
  })
  const { code, stdout } = await at.bramble(['lint', '--target', 'openfaas-ce'])
  assert.equal(code, 1)
  assert.deepEqual(stdout.trim().split('\n').map((line) => line.split(': ').slice(2, 4).join(': ')), [
    'labels com.openfaas.scale.mni: nobody reads it',
    'labels com.openfaas.scale.min: label com.openfaas.scale.min must be a whole number, not "x"',
    'annotations bramble/volum: Community Edition ignores it',
  ])
})

test('as JSON each finding has its level, place, function, field and message', async () => {
  await using at = await createWorkplace({ 'stack.yml': stackOf({ hello: 'labels: {com.openfaas.scale.type: rps}' }), 'hello/handler.ts': handler })
  const { code, stdout } = await at.bramble(['lint', '--target=openfaas-ce', '--json'])
  assert.equal(code, 1)
  const { findings, ...rest } = JSON.parse(stdout)
  assert.deepEqual(rest, { file: `${at.folder}/stack.yml`, target: 'openfaas-ce', warnings: [] })
  assert.deepEqual(findings, [{
    place: 'stack.yml:9:39', level: 'error', function: 'hello', field: ['labels', 'com.openfaas.scale.type'],
    message: 'Community Edition refuses it: it is for OpenFaaS Standard; remove it',
  }])
})

cases('what cannot be looked at is one line', [
  { name: 'no stack file', words: [], says: /^there is no stack\.yaml or stack\.yml/ },
  { name: 'another platform', words: ['--target', 'knative'], says: /^--target must be bramble or openfaas-ce, not "knative"\n$/ },
  { name: 'a file that is no stack file', words: ['-f', 'broken.yml'], says: /^broken\.yml:1:1: / },
], async ({ words, says }) => {
  await using at = await createWorkplace({ 'broken.yml': 'hello' })
  const { code, stdout, stderr } = await at.bramble(['lint', ...words])
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, says)
})

cases('the stack files of the project have no finding where they are meant for', [
  { name: 'stack.yml on Bramble', words: ['-f', `${ROOT}/stack.yml`] },
  { name: 'the album on Bramble', words: ['-f', `${ROOT}/stack.album.yml`] },
  { name: 'stack.openfaas.yml on OpenFaaS', words: ['-f', `${ROOT}/stack.openfaas.yml`, '--target', 'openfaas-ce'] },
  { name: 'stack.openfaas.yml on Bramble', words: ['-f', `${ROOT}/stack.openfaas.yml`] },
], async ({ words }) => {
  await using at = await createWorkplace()
  const { code, stdout } = await at.bramble(['lint', ...words])
  assert.deepEqual([code, stdout], [0, ''])
})
