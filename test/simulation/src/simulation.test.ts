import { expect, test } from 'vitest'
import { faults } from './faults.ts'
import { simulateMatrix } from './matrix.ts'

/** Every third scenario of a fault, another third for each: all of them take a minute, and run weekly by `node src/main.ts`. */
const share = 3

for (const [index, { name }] of faults.entries()) {
  test(`${name}: every preset keeps the invariants, with 1 to 20 instances`, async () => {
    const { count, failures } = await simulateMatrix(
      1,
      (description, seed) => description.startsWith(`${name} for`) && seed % share === index % share,
    )
    expect(count).toBeGreaterThan(12)
    expect([...failures]).toEqual([])
  }, 120_000)
}
