import { expect, test } from 'vitest'
import { checkCircles, readNeeds } from './circles.ts'

test('no packages of this repository need each other in a circle', () => {
  expect(checkCircles(readNeeds())).toEqual([])
})

test('a circle is told with its way', () => {
  const needs = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', []],
    ['d', ['b']],
  ])
  expect(checkCircles(needs)).toEqual(['packages in a circle: b → d → b'])
})
