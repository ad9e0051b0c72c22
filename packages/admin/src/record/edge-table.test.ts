import { describe, expect, test } from 'vitest'
import { LATENCY_BOUNDS } from '../protocol.ts'
import { EdgeTable } from './edge-table.ts'

describe('an edge', () => {
  test.each([
    [0, 0],
    [1, 0],
    [1.01, 1],
    [10_000, 12],
    [10_001, 13],
    [Number.POSITIVE_INFINITY, 13],
  ])('a duration of %d ms is in bucket %d', (durationMs, bucket) => {
    const table = new EdgeTable()
    table.call('a', durationMs, undefined)
    const [edge] = table.report().edges
    expect(edge?.latency).toHaveLength(LATENCY_BOUNDS.length + 1)
    expect(edge?.latency.indexOf(1)).toBe(bucket)
  })

  test('has at most 32 different failures and refusals', () => {
    const table = new EdgeTable()
    for (let index = 0; index < 100; index++) {
      table.call('a', 1, `X_${index}`)
      table.refusal('a', `breaker ${index}`)
    }
    const [edge] = table.report().edges
    expect([edge?.total, edge?.failed['other'], edge?.refused['other']]).toEqual([100, 68, 68])
    expect(Object.keys(edge?.failed ?? {})).toHaveLength(33)
  })
})

describe('a full table', () => {
  test('omits further services and instances, and counts them once', () => {
    const table = new EdgeTable()
    for (let index = 0; index < 1_002; index++) {
      table.call(`service-${index}`, 1, undefined)
      table.attempt('service-0', `instance-${index}`, 1, undefined)
      table.attempt('service-0', `instance-${index}`, 1, undefined)
    }
    const { edges, omitted } = table.report()
    expect([edges.length, omitted]).toEqual([2_000, 4])
    for (const count of ['call', 'attempt', 'retry', 'hedge', 'refusal'] as const)
      table[count]('unknown' as never, 'x' as never, 1 as never, undefined)
    expect(table.report().edges).toHaveLength(2_000)
  })

  test('bounds the instances of all services together', () => {
    const table = new EdgeTable()
    for (let service = 0; service < 20; service++) {
      for (let index = 0; index < 900; index++) table.attempt(`service-${service}`, `instance-${index}`, 1, undefined)
    }
    const { edges, omitted } = table.report()
    expect([edges.length, omitted]).toEqual([10_020, 1_000])
  })

  test('makes room from edges that were idle for ten minutes', () => {
    const table = new EdgeTable()
    for (let index = 0; index < 1_000; index++) {
      table.call(`service-${index}`, 1, undefined)
      table.attempt(`service-${index}`, 'i', 1, undefined)
    }
    for (let second = 0; second < 600; second++) table.tick()
    table.call('service-7', 1, undefined)
    table.attempt('service-7', 'i', 1, undefined)
    table.call('new', 1, undefined)
    const { edges, omitted } = table.report()
    expect([edges.map(({ service }) => service), omitted]).toEqual([['service-7', 'service-7', 'new'], 0])
  })
})
