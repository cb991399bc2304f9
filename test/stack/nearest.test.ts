import * as assert from 'node:assert/strict'
import { nearest } from '../../platform/stack/nearest.ts'
import { cases } from '../kit.ts'

const known = ['labels', 'limits', 'lang', 'secrets', 'image']

cases('the word that was meant', [
  { name: 'two letters swapped', word: 'lables', gives: 'labels' },
  { name: 'a letter missing', word: 'secret', gives: 'secrets' },
  { name: 'a letter too many', word: 'imagee', gives: 'image' },
  { name: 'a wrong letter', word: 'limitz', gives: 'limits' },
  { name: 'the closest of several', word: 'limts', gives: 'limits' },
  { name: 'another case', word: 'Labels', gives: 'labels' },
  { name: 'three slips are another word', word: 'lbsel', gives: undefined },
  { name: 'a short word bears fewer slips', word: 'xyng', gives: 'lang' },
  { name: 'nothing like it', word: 'runtime_class', gives: undefined },
  { name: 'an empty word', word: '', gives: undefined },
], ({ word, gives }) => assert.equal(nearest(word, known), gives))
