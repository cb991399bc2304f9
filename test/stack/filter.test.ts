import * as assert from 'node:assert/strict'
import { selectFunctions } from '../../platform/stack/filter.ts'
import { cases } from '../kit.ts'

const all = ['url-ping', 'nodejs-echo', 'imagemagick', 'ruby-echo', 'abcd-eeee'].map((name) => ({ name }))

cases('functions are selected', [
  { name: 'all without a word', by: {}, gives: ['url-ping', 'nodejs-echo', 'imagemagick', 'ruby-echo', 'abcd-eeee'] },
  { name: 'all with empty patterns', by: { filter: '', regex: '' }, gives: ['url-ping', 'nodejs-echo', 'imagemagick', 'ruby-echo', 'abcd-eeee'] },
  { name: 'by the end of the name', by: { filter: '*echo' }, gives: ['nodejs-echo', 'ruby-echo'] },
  { name: 'by the middle of the name', by: { filter: '*-*' }, gives: ['url-ping', 'nodejs-echo', 'ruby-echo', 'abcd-eeee'] },
  { name: 'by the whole name', by: { filter: 'imagemagick' }, gives: ['imagemagick'] },
  { name: 'a glob has no other magic than the star', by: { filter: '*e?ho*', regex: '' }, fails: /no function in the stack file matches --filter/ },
  { name: 'a glob is about the whole name', by: { filter: 'echo' }, fails: /matches --filter "echo"/ },
  { name: 'by an expression anywhere', by: { regex: 'echo' }, gives: ['nodejs-echo', 'ruby-echo'] },
  { name: 'by an anchored expression', by: { regex: '^[^-]+$' }, gives: ['imagemagick'] },
  { name: 'by a repetition', by: { regex: 'e{2}' }, gives: ['abcd-eeee'] },
  { name: 'an expression that matches nothing', by: { regex: '----' }, fails: /matches --regex "----"/ },
  { name: 'an expression that is none', by: { regex: '[' }, fails: /--regex "\[" is not a regular expression/ },
  { name: 'both patterns', by: { regex: '.*', filter: '*' }, fails: /not both/ },
  { name: 'by names, in the order of the file', by: { names: ['ruby-echo', 'url-ping'] }, gives: ['url-ping', 'ruby-echo'] },
  { name: 'a name with a typo', by: { names: ['ruby-ecko'] }, fails: /no function "ruby-ecko" in the stack file: did you mean "ruby-echo"/ },
  { name: 'a name that is nowhere', by: { names: ['zebra'] }, fails: /no function "zebra" in the stack file; it has: url-ping, / },
], (one) => {
  if ('fails' in one) assert.throws(() => selectFunctions(all, one.by), one.fails)
  else assert.deepEqual(selectFunctions(all, one.by).map(({ name }) => name), one.gives)
})
