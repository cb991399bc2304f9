import * as assert from 'node:assert/strict'
import { parseStack } from '../../platform/stack/parse-stack.ts'
import { cases, test } from '../kit.ts'

const head = 'provider:\n  name: openfaas\n'
const parse = (text: string, variables = {}) => parseStack({ file: 'stack.yml', text, variables })

test('everything a function can say is read', () => {
  const stack = parse(`version: 1.0
provider:
  name: openfaas
  gateway: http://pi.local:8080
  network: func_functions
functions:
  hello:
    lang: node-ts
    handler: ./hello
    image: registry.local:5000/me/hello:\${TAG:-0.1}
    namespace: staging
    fprocess: node index.js
    skip_build: true
    environment: {a: inline, port: 8080, on: yes, ratio: 1.50, empty: }
    environment_file: [env.yml]
    labels: {com.openfaas.scale.min: 2}
    annotations: {schedule: "*/5 * * * *"}
    secrets: [db-password]
    constraints: ["type=zero2"]
    limits: {memory: 64Mi, cpu: 0.5}
    requests: {memory: 32Mi}
    readonly_root_filesystem: true
    build_args: {A: 1}
    build_options: [native]
    build_secrets: {npm: ./token}
    platforms: linux/arm64
configuration:
  templates: [{name: node-ts, source: ./t}]
  copy: [./common]
`)
  const { placeOf, ...read } = stack
  assert.equal(placeOf(['functions', 'hello', 'labels', 'com.openfaas.scale.min']), 'stack.yml:16:38')
  assert.equal(placeOf(['functions', 'hello', 'labels', 'not there']), 'stack.yml:16:13')
  assert.deepEqual(read, {
    gateway: 'http://pi.local:8080',
    functions: [{
      name: 'hello', lang: 'node-ts', handler: './hello', place: 'stack.yml:9:14',
      image: 'registry.local:5000/me/hello:0.1', namespace: 'staging', fprocess: 'node index.js', isBuildSkipped: true,
      environment: { a: 'inline', port: '8080', on: 'yes', ratio: '1.50', empty: '' },
      environmentFiles: ['env.yml'],
      labels: { 'com.openfaas.scale.min': '2' }, annotations: { schedule: '*/5 * * * *' },
      secrets: ['db-password'], constraints: ['type=zero2'],
      limits: { memory: '64Mi', cpu: '0.5' }, requests: { memory: '32Mi' },
      isRootReadOnly: true, buildArgs: { A: '1' },
    }],
    copy: ['./common'],
    warnings: [],
  })
})

test('the least a function can say is an image', () => {
  const [one] = parse(`${head}functions:\n  a:\n    image: x/a\n`).functions
  assert.deepEqual(one, {
    name: 'a', image: 'x/a', lang: undefined, handler: undefined, place: 'stack.yml:4:3', namespace: undefined,
    fprocess: undefined, isBuildSkipped: false, environment: {}, environmentFiles: [], labels: {}, annotations: {},
    secrets: [], constraints: [], limits: undefined, requests: undefined, isRootReadOnly: false, buildArgs: {},
  })
})

test('functions keep the order of the file, also with names like numbers', () => {
  const { functions } = parse(`${head}functions:\n  z: {image: x/a}\n  "10": {image: x/a}\n  "9": {image: x/a}\n  b: {image: x/a}\n`)
  assert.deepEqual(functions.map(({ name }) => name), ['z', '10', '9', 'b'])
})

test('shared parts go through anchors, merges and x- keys', () => {
  const stack = parse(`${head}x-base: &base
  image: x/base
  environment: &env {a: 1, b: 2}
functions:
  one: {<<: *base, lang: node-ts}
  two:
    <<: *base
    image: x/two
    environment: {<<: *env, b: 3}
`)
  assert.deepEqual(stack.functions.map(({ image, lang, environment }) => ({ image, lang, environment })), [
    { image: 'x/base', lang: 'node-ts', environment: { a: '1', b: '2' } },
    { image: 'x/two', lang: undefined, environment: { a: '1', b: '3' } },
  ])
  assert.deepEqual(stack.warnings, [])
})

test('a version and functions may be absent', () => {
  const { placeOf: _, ...read } = parse(head)
  assert.deepEqual(read, { gateway: undefined, functions: [], copy: [], warnings: [] })
})

test('an unknown key that is no typo is a warning with its place', () => {
  const { warnings } = parse(`${head}functions:\n  a:\n    image: x/a\n    runtime_class: gvisor\n`)
  assert.deepEqual(warnings, ['stack.yml:6:5: function a has no "runtime_class": it is ignored'])
})

test('without variables the text stays as it is', () => {
  const stack = parseStack({ file: 's', text: `${head}functions:\n  a: {image: "x/\${TAG}"}\n` })
  assert.equal(stack.functions[0]?.image, 'x/${TAG}')
})

const fn = (line: string): string => `${head}functions:\n  a:\n    image: x/a\n    ${line}\n`

/** A few lines that stand for 100,000 values. */
const bomb = ['a', 'b', 'c', 'd', 'e'].map((name, index, all) =>
  `x-${name}: &${name} [${`${index === 0 ? 'x' : `*${all[index - 1]}`}, `.repeat(10)}]\n`).join('') + 'functions'

test('each function that is wrong has its line', () => {
  const text = `${head}functions:\n  one:\n    labels: 1\n  two:\n    image: two:1\n  three:\n    image: three:1\n    imag: x\n`
  assert.throws(() => parse(text), /^BrambleError: stack\.yml:4:3: [^\n]+\nstack\.yml:10:5: [^\n]+$/)
})

cases('what is wrong is said in one line with its place', [
  { name: 'an empty file', text: '', says: 'stack.yml:1:1: the file is empty' },
  { name: 'only a comment', text: '# nothing\n', says: 'stack.yml:1:1: the file is empty' },
  { name: 'a text instead of a map', text: 'hello', says: 'stack.yml:1:1: the file must be a map of "key: value" lines' },
  { name: 'another provider', text: 'provider:\n  name: other', says: 'stack.yml:2:9: provider.name must be openfaas, not other' },
  { name: 'no provider', text: 'functions:\n', says: 'stack.yml:1:1: provider.name must be openfaas' },
  { name: 'another version', text: `version: 2.0\n${head}`, says: 'stack.yml:1:10: version must be 1.0, not 2.0' },
  { name: 'a tab', text: `${head}functions:\n\ta:\n`, says: 'stack.yml:4:1: a tab cannot indent YAML: use spaces' },
  { name: 'a key twice', text: fn('image: x/b'), says: 'stack.yml:6:5: this key is already there: remove one of the two' },
  { name: 'a function twice', text: `${head}functions:\n  a: {image: x/a}\n  a: {image: x/b}\n`, says: 'stack.yml:5:3: this key is already there: remove one of the two' },
  { name: 'an open quote', text: `${head}functions:\n  a: "x\n`, says: 'stack.yml:5:1: missing closing "quote' },
  { name: 'two documents', text: `${head}---\n${head}`, says: 'stack.yml:3:1: a second YAML document (after "---") is not allowed: use a file of its own' },
  { name: 'an unknown anchor', text: fn('labels: *none'), says: 'stack.yml:6:13: there is no "&none" before "*none"' },
  { name: 'a typo of a function key', text: fn('lables: {}'), says: 'stack.yml:6:5: function a has no "lables": did you mean "labels"?' },
  { name: 'a typo with another case', text: fn('Secrets: []'), says: 'stack.yml:6:5: function a has no "Secrets": did you mean "secrets"?' },
  { name: 'a typo at the top', text: `${head}function:\n`, says: 'stack.yml:3:1: the stack file has no "function": did you mean "functions"?' },
  { name: 'a typo of a limit', text: fn('limits: {memroy: 1Mi}'), says: 'stack.yml:6:14: limits has no "memroy": did you mean "memory"?' },
  { name: 'no image', text: `${head}functions:\n  a:\n    lang: x\n`, says: 'stack.yml:4:3: function a has no image: add "image: registry/a:0.1.0"' },
  { name: 'a bad function name', text: `${head}functions:\n  ../a: {image: x}\n`, says: /^stack\.yml:4:3: function name "\.\.\/a" is not valid: / },
  { name: 'functions as a list', text: `${head}functions:\n  - a\n`, says: 'stack.yml:3:1: functions must be a map of "key: value" lines' },
  { name: 'a function that is a text', text: `${head}functions:\n  a: x/a\n`, says: 'stack.yml:4:6: a must be a map of "key: value" lines' },
  { name: 'labels as a list', text: fn('labels: [a]'), says: 'stack.yml:6:13: labels must be a map of "key: value" lines' },
  { name: 'a label that is a map', text: fn('labels: {a: {b: c}}'), says: 'stack.yml:6:17: labels.a must be a text, not a list or map' },
  { name: 'secrets as a text', text: fn('secrets: a'), says: 'stack.yml:6:14: secrets must be a list of "- item" lines' },
  { name: 'a secret that is a map', text: fn('secrets: [a, {b: c}]'), says: 'stack.yml:6:18: secrets.1 must be a text, not a list or map' },
  { name: 'a flag that is none', text: fn('skip_build: maybe'), says: 'stack.yml:6:17: skip_build must be true or false, not "maybe"' },
  { name: 'an alias of itself', text: fn('labels: &l {a: *l}'), says: 'stack.yml:6:20: labels.a must be a text, not a list or map' },
  { name: 'aliases of aliases of aliases', text: fn(`labels: *e`).replace('functions', bomb), says: 'stack.yml:1:1: too many aliases of aliases (*name): write some of them out' },
  { name: 'an open variable', text: fn('lang: ${LANG'), says: /^stack\.yml:6:11: "\$\{" is not closed on its line: / },
  { name: 'after a value with more lines', text: fn('lang: "${TWO}"\n    lables: {}'), says: 'stack.yml:7:5: function a has no "lables": did you mean "labels"?' },
], ({ text, says }) => {
  assert.throws(() => parse(text, { TWO: 'a\n     b' }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'INVALID')
    assert.equal(error.message.includes('\n'), false)
    if (typeof says === 'string') assert.equal(error.message, says)
    else assert.match(error.message, says)
    return true
  })
})
