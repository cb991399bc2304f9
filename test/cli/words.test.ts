import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { createWorkplace } from './bramble.ts'

const names = ['start', 'up', 'dev', 'lint', 'push', 'images', 'list', 'describe', 'invoke', 'logs', 'scale', 'remove', 'secret', 'login']

test('help names every command, on standard output', async () => {
  await using at = await createWorkplace()
  for (const words of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await at.bramble(words)
    assert.deepEqual([code, stderr], [0, ''])
    for (const name of names) assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
  }
})

test('without a word it is a mistake: help goes to standard error', async () => {
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble([])
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /bramble COMMAND/)
})

cases('every command explains itself, in both ways', names.map((name) => ({ name })), async ({ name }) => {
  await using at = await createWorkplace()
  const first = await at.bramble([name, '--help'])
  const second = await at.bramble(['help', name])
  assert.deepEqual([first.code, first.stderr], [0, ''])
  assert.match(first.stdout, new RegExp(`^  bramble ${name} `, 'm'))
  assert.match(first.stdout, /^ +-h, --help +this text$/m)
  assert.equal(second.stdout, first.stdout)
  assert.ok(first.stdout.split('\n').every((line) => line.length <= 140), 'fits a terminal')
})

test('the version is that of package.json', async () => {
  await using at = await createWorkplace()
  assert.match((await at.bramble(['--version'])).stdout, /^bramble \d+\.\d+\.\d+ \(\w+\)\n$/)
})

cases('what is not understood is refused in one line', [
  { name: 'an unknown command', words: ['frobnicate'], says: 'there is no command "frobnicate": "bramble help" lists them' },
  { name: 'a command with a typo', words: ['lsit'], says: 'there is no command "lsit": did you mean "list"?' },
  { name: 'an option before the command', words: ['--json', 'list'], says: '"--json" comes before the command: "bramble help" lists them' },
  { name: 'an option with a typo', words: ['list', '--gatewya', 'x'], says: 'list has no option --gatewya: did you mean --gateway?' },
  { name: 'an unknown option', words: ['list', '--frobnicate'], says: 'list has no option --frobnicate: see "bramble help list"' },
  { name: 'an unknown letter', words: ['list', '-z'], says: 'list has no option -z: see "bramble help list"' },
  { name: 'an option without its value', words: ['list', '--gateway'], says: 'option --gateway needs a value: --gateway=URL' },
  { name: 'an option whose value is an option', words: ['list', '-g', '-n'], says: 'option -g needs a value: -g URL' },
  { name: 'a flag with a value', words: ['list', '--json=maybe'], says: 'option --json is true or false, not "maybe"' },
  { name: 'a word too many', words: ['list', 'hello'], says: 'list does not know what to do with "hello": bramble list [options]' },
  { name: 'a word too few', words: ['describe'], says: 'describe is missing something: bramble describe NAME' },
  { name: 'no number of replicas', words: ['scale', 'hello', 'many'], says: '"many" is not a number of replicas' },
  { name: 'a negative number of replicas', words: ['scale', 'hello', '--', '-1'], says: '"-1" is not a number of replicas' },
  { name: 'no number of lines', words: ['logs', 'a', '--lines', '0'], says: '--lines "0" is not a number of lines' },
  { name: 'no duration', words: ['logs', 'a', '--since', 'yesterday'], says: '--since "yesterday" is not a duration; write it like 90s, 5m or 1h30m' },
  { name: 'no time', words: ['logs', 'a', '--since-time', 'x'], says: '--since-time "x" is not a time like 2026-01-31T12:00:00Z' },
  { name: 'no header', words: ['invoke', 'a', '-H', 'X'], says: '-H "X" is not of the form "NAME: VALUE"' },
  { name: 'no query', words: ['invoke', 'a', '--query', '=b'], says: '--query "=b" is not of the form NAME=VALUE' },
  { name: 'no method', words: ['invoke', 'a', '-m', 'BREW'], says: '--method BREW is not one of GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD' },
  { name: 'two namespaces', words: ['describe', 'a.b', '-n', 'c', '-g', 'x'], says: '"a.b" names namespace b, but -n says c' },
  { name: 'up without a stack file', words: ['up'], says: /^there is no stack\.yaml or stack\.yml in \S+: go to the folder that has one, or name it with -f FILE$/ },
  { name: 'start without a stack file', words: ['start'], says: /^there is no stack\.yaml or stack\.yml in / },
  { name: 'dev without a stack file', words: ['dev'], says: /^there is no stack\.yaml or stack\.yml in / },
  { name: 'a stack file that is not there', words: ['up', '-f', 'no.yml'], says: 'there is no stack file no.yml' },
], async ({ words, says }) => {
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(words)
  assert.deepEqual([code, stdout], [1, ''])
  if (typeof says === 'string') assert.equal(stderr, `${says}\n`)
  else assert.match(stderr.trimEnd(), says)
  assert.equal(stderr.trimEnd().split('\n').length, 1)
})

cases('a bad stack file is one line with its place, for every command that needs one', ['start', 'up', 'dev', 'lint', 'push', 'images', 'list'].map((name) => ({ name })), async ({ name }) => {
  await using at = await createWorkplace({ 'stack.yml': 'provider:\n  name: openfaas\nfunctions:\n  a:\n    image: x/a\n    lables: {}\n' })
  assert.deepEqual(await at.bramble([name]), {
    code: 1, stdout: '', stderr: 'stack.yml:6:5: function a has no "lables": did you mean "labels"?\n',
  })
})

test('no colours where nobody sees them', async () => {
  await using at = await createWorkplace()
  assert.equal((await at.bramble(['lsit'], { env: { FORCE_COLOR: '1' } })).stderr.includes('\x1b'), false)
})
