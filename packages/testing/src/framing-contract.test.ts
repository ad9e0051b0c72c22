import { afterAll, describe, expect, test } from 'vitest'
import {
  type FramingProtocol,
  framingCases,
  framingCasesFor,
  framingContract,
  fuzzFraming,
  runFramingCase,
  startFramingUpstream,
} from './index.ts'
import { startFramingProxy } from './testing/framing-proxy.ts'
import { faultsOf } from './testing/planted-faults.ts'

describe.each<[FramingProtocol, FramingProtocol]>([
  ['h1', 'h1'],
  ['h1', 'h2'],
  ['h2', 'h1'],
  ['h2', 'h2'],
])('a sound proxy from %s to %s keeps the contract', async (front, protocol) => {
  const upstream = await startFramingUpstream({ protocol })
  const proxy = await startFramingProxy({ front, upstream })
  afterAll(async () => {
    await proxy.close()
    await upstream.close()
  })
  for (const { name, run } of framingContract({
    front,
    upstream: protocol,
    target: () => ({ front: proxy.address, upstream }),
  })) {
    test(name, run)
  }
})

/** Number of proxies with a fault that run at a time. They mostly wait for what never comes. */
const atOnce = 48

test.each<FramingProtocol>(['h1', 'h2'])('the suite notices the fault of each row over %s', async (front) => {
  const unnoticed: string[] = []
  const rows = framingCasesFor(front, 'h1').values()
  async function work(): Promise<void> {
    const upstream = await startFramingUpstream({ protocol: 'h1' })
    for (const row of rows) {
      const proxy = await startFramingProxy({ front, upstream, faults: faultsOf(row.name) })
      const { problems } = await runFramingCase(row, { front: proxy.address, upstream, limitMs: 200 })
      if (problems.length === 0) unnoticed.push(row.name)
      await proxy.close()
    }
    await upstream.close()
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  expect(unnoticed).toEqual([])
})

test.each<[FramingProtocol, ...string[]]>([
  ['h1', 'length'],
  ['h2', 'h2 fields'],
])('random inputs over %s find the fault %s, and none in a sound proxy', async (front, ...faults) => {
  const upstream = await startFramingUpstream({ protocol: 'h1' })
  async function run(planted: readonly string[]): Promise<readonly string[]> {
    const proxy = await startFramingProxy({ front, upstream, faults: planted })
    const target = { front: proxy.address, upstream, limitMs: planted.length > 0 ? 300 : 5_000 }
    const { problems } = await fuzzFraming(target, { front, seed: 1, inputs: 200 })
    await proxy.close()
    return problems
  }
  expect(await run([])).toEqual([])
  expect(await run(faults)).not.toEqual([])
  await upstream.close()
})

test('names are unique, and each row names its rule', () => {
  expect(new Set(framingCases.map(({ name }) => name)).size).toBe(framingCases.length)
  for (const { rule } of framingCases) expect(rule).toMatch(/^(?:RFC \d+ \d|edge: )/)
})
