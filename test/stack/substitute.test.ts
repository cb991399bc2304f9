import * as assert from 'node:assert/strict'
import { substitute } from '../../platform/stack/substitute.ts'
import { cases, test } from '../kit.ts'

const variables = { TAG: '0.2', EMPTY: '', INNER: 'deep', YAML: 'a\nb' }

cases('variables are replaced as faas-cli does', [
  { name: 'a set one', text: 'a ${TAG} b', gives: 'a 0.2 b' },
  { name: 'an unset one is empty', text: 'a${NONE}b', gives: 'ab' },
  { name: 'a set one wins over its default', text: '${TAG:-0.1}', gives: '0.2' },
  { name: 'an unset one takes its default', text: '${NONE:-0.1}', gives: '0.1' },
  { name: 'an empty one takes its default', text: '${EMPTY:-0.1}', gives: '0.1' },
  { name: 'the older spellings of a default', text: '${NONE:=a}${NONE=b}${NONE-c}', gives: 'abc' },
  { name: 'an empty default', text: '[${NONE:-}]', gives: '[]' },
  { name: 'a default with a dash, a colon and a space', text: '${NONE:-a:-b c}', gives: 'a:-b c' },
  { name: 'a default that holds a variable', text: '${NONE:-x-${INNER}-y}', gives: 'x-deep-y' },
  { name: 'a default that holds a default', text: '${NONE:-${ALSO:-z}}', gives: 'z' },
  { name: 'several on a line', text: '${TAG}/${INNER}:${TAG}', gives: '0.2/deep:0.2' },
  { name: 'a doubled dollar keeps the braces', text: 'a $${TAG} b', gives: 'a ${TAG} b' },
  { name: 'a doubled dollar before a variable', text: '$${A}${TAG}', gives: '${A}0.2' },
  { name: 'without braces nothing happens', text: '$TAG $ $$ $(x) {TAG}', gives: '$TAG $ $$ $(x) {TAG}' },
  { name: 'a value is not looked at again', text: '${LOOP}', gives: '${LOOP}', extra: { LOOP: '${LOOP}' } },
  { name: 'no variable at all', text: 'plain\ntext\n', gives: 'plain\ntext\n' },
  { name: 'an empty text', text: '', gives: '' },
], ({ text, gives, ...rest }) => {
  assert.equal(substitute(text, { ...variables, ...('extra' in rest ? rest.extra : {}) }).text, gives)
})

cases('what cannot be replaced is refused at its place', [
  { name: 'no closing brace', text: 'ab ${TAG', offset: 3 },
  { name: 'no closing brace on the line', text: 'ab ${TAG\n}', offset: 3 },
  { name: 'an expression of a shell', text: 'x${TAG/a/b}', offset: 1 },
  { name: 'upper case', text: '${TAG^^}', offset: 0 },
  { name: 'nothing', text: '${}', offset: 0 },
  { name: 'a name that is none', text: '${1A}', offset: 0 },
], ({ text, offset }) => {
  assert.throws(() => substitute(text, variables), { code: 'INVALID', offset })
})

test('places in the result lead back to places in the text', () => {
  const source = 'one: ${YAML}\ntwo: $${X} three'
  const { text, originOf } = substitute(source, variables)
  assert.equal(text, 'one: a\nb\ntwo: ${X} three')
  for (const word of ['one', 'two', 'three']) assert.equal(originOf(text.indexOf(word)), source.indexOf(word))
  assert.equal(originOf(text.indexOf('b')), source.indexOf('${YAML}'))
})
