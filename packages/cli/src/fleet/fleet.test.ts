import { describe, expect, test } from 'vitest'
import { createExampleFleet } from '../testing/example-fleet.ts'
import { exampleModel, NOON } from '../testing/example-model.ts'
import { expectGolden } from '../testing/golden.ts'
import { type SdctlOptions, sdctl } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'

const env = { SD_REGISTRY: 'memory:' }

/** Commands and their exit codes. */
const commands: Readonly<Record<string, readonly [argv: readonly string[], code: number]>> = {
  problems: [['problems', '--over', '1ms'], 1],
  changes: [['changes', '--over', '1ms'], 0],
  processes: [['processes'], 0],
  process: [['process', 'shop-0'], 0],
  states: [['states'], 0],
  routes: [['routes'], 1],
  top: [['top', '--over', '1ms'], 0],
  'top-orders': [['top', 'orders', '--over', '1ms'], 0],
  graph: [['graph', '--over', '1ms'], 0],
  explain: [['explain', 'stock', '--over', '1ms'], 0],
  'explain-from': [['explain', 'stock', '--from', 'shop', '--over', '1ms'], 0],
  alerts: [['alerts'], 1],
  'alerts-rules': [['alerts', 'rules'], 0],
  'config-explain': [['config', 'explain', 'db.pool', '--from', 'orders'], 0],
}

function run(argv: readonly string[], options: SdctlOptions = {}) {
  return sdctl(argv, { env, now: () => NOON, createFleet: () => createExampleFleet(), ...options })
}

describe.each(Object.entries(commands))('%s', (name, [argv, code]) => {
  test.each([80, 140])('at %d columns', async (columns) => {
    const result = await run(argv, { columns, env: { ...env, NO_COLOR: '1' } })
    expect(result).toMatchObject({ code, err: '' })
    for (const line of result.out.split('\n')) expect(line.length).toBeLessThanOrEqual(columns)
    expectGolden(`fleet/${name}-${columns}`, result.out)
  })

  test('as JSON', async () => {
    const result = await run([...argv, '--json'])
    expect(result).toMatchObject({ code, err: '' })
    expectSchema(result.out)
  })
})

test('graphs for other programs quote names from outside', async () => {
  expectGolden('fleet/graph-dot', (await run(['graph', '--dot', '--over', '1ms'])).out)
  expectGolden('fleet/graph-mermaid', (await run(['graph', 'shop', '--mermaid', '--over', '1ms'])).out)
  expect((await run(['graph', '--dot', '--mermaid', '--over', '1ms'])).code).toBe(2)
})

test('a secret of a process is masked, and its error stands beside other answers', async () => {
  const { out } = await run(['config', 'explain', 'db.password', '--from', 'orders', '--json'])
  expect(out).not.toContain('canary')
  const { processes } = expectSchema(out) as { readonly processes: readonly { readonly error?: object }[] }
  expect(processes.map(({ error }) => error !== undefined)).toEqual([false, true, false])
})

test.each([
  [['process', 'nothing'], 1, 'There is no process nothing; sdctl processes lists them: edge-0'],
  [['process', 'orders'], 2, 'orders means 3 processes: name one of orders-0, orders-1, orders-2'],
  [['top', 'nothing', '--over', '1ms'], 1, 'memory has no service nothing'],
  [['top', '--over', '1x'], 2, 'a time with its unit'],
  [['processes', '--processes', 'a,,b'], 2, 'without empty items'],
])('%j is an error', async (argv, code, message) => {
  const result = await run(argv)
  expect(result).toMatchObject({ code, err: expect.stringContaining(message) })
})

test('a registry that has never answered is an error, and one that no longer answers is said to be stale', async () => {
  const lastError = { code: 'SD_UNAVAILABLE', message: 'no way', retryable: true }
  const unknown = createExampleFleet({ ...exampleModel, registry: { name: 'consul', url: 'consul', isKnown: false, lastError } })
  expect(await run(['processes'], { createFleet: () => unknown })).toMatchObject({ code: 3, err: 'sdctl: no way\n' })
  const stale = createExampleFleet({
    ...exampleModel,
    registry: { name: 'consul', url: 'consul', isKnown: true, staleSince: NOON },
  })
  const { out } = await run(['processes'], { createFleet: () => stale })
  expect(out).toContain("consul can't be reached, this is its last answer")
})

test('without processes nothing is waited for, and nothing is wrong', async () => {
  const empty = createExampleFleet({ ...exampleModel, processes: [], services: [], edges: [], problems: [], changes: [] })
  const options = { createFleet: () => empty }
  expect((await run(['problems', '--over', '1h'], options)).out).toBe(
    'Nothing is wrong.\nmemory · no process has an admin endpoint\n',
  )
  expect((await run(['graph', '--over', '1h'], options)).out).toContain('No calls and no declared dependencies are known.')
  expect((await run(['changes', '--over', '1h'], options)).out).toContain('Nothing has changed')
  expect((await run(['alerts'], options)).out).toContain('No alert.')
})
