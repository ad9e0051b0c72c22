import { expect, test } from 'vitest'
import { checkCircles } from './circles.ts'
import { readMembers } from './layers.ts'

test('no packages of this repository need each other in a circle', () => {
  expect(checkCircles(readMembers())).toEqual([])
})

test('a circle is told with its way', () => {
  const members = [
    { name: 'a', needs: ['b'] },
    { name: 'b', needs: ['c', 'd'] },
    { name: 'c', needs: [] },
    { name: 'd', needs: ['b'] },
  ]
  expect(checkCircles(members)).toEqual(['packages in a circle: b → d → b'])
})
