import { expect, test } from 'vitest'
import { checkCircles } from './circles.ts'
import { readMembers } from './layers.ts'

test('the packages of this repository have no circular dependencies', () => {
  expect(checkCircles(readMembers())).toEqual([])
})

test('a circle is reported with its path', () => {
  const members = [
    { name: 'a', needs: ['b'] },
    { name: 'b', needs: ['c', 'd'] },
    { name: 'c', needs: [] },
    { name: 'd', needs: ['b'] },
  ]
  expect(checkCircles(members)).toEqual(['circular dependency: b → d → b'])
})
