import { expect, test } from 'vitest'
import { faults } from './faults.ts'
import { simulateMatrix } from './matrix.ts'

for (const { name } of faults) {
  test(`${name}: every preset keeps the invariants, with 1 to 20 instances`, async () => {
    const { count, failures } = await simulateMatrix(1, (description) => description.startsWith(`${name} for`))
    expect(count).toBeGreaterThan(40)
    expect([...failures]).toEqual([])
  }, 120_000)
}
