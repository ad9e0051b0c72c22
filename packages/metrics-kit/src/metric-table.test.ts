import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { metricTable, prometheusNameOf } from './index.ts'
import { definitionOf } from './metric-table.ts'

const recorded = JSON.parse(readFileSync(new URL('./testing/recorded-otlp-names.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, string>
>

test('the names in Prometheus are those that otlptranslator, of Prometheus and the collector, makes of the others', () => {
  const names = Object.fromEntries(metricTable.map((definition) => [definition.name, `sd_${prometheusNameOf(definition)}`]))
  expect(names).toEqual(recorded)
  expect(new Set(Object.values(names)).size).toBe(metricTable.length)
})

test.each(metricTable.map((definition) => [definition.name, definition] as const))('%s follows the conventions', (name, row) => {
  expect(name).toMatch(/^[a-z]+([._][a-z]+)*$/)
  // Base units, and in braces what is counted. A unit of 1 would add `_ratio` in Prometheus.
  expect(row.unit).toMatch(/^(s|By|\{[a-z]+\}|)$/)
  expect(row.help).toMatch(/^[A-Z1].*\.$/)
  expect(row.labels.every((label) => /^[a-z_]+$/.test(label))).toBe(true)
  if (row.merge) expect(row.kind).toBe('gauge')
  if (row.buckets) expect([row.kind, [...row.buckets].sort((a, b) => a - b)]).toEqual(['histogram', row.buckets])
})

test('a metric that the table does not have is a mistake of the recorder', () => {
  expect(definitionOf('counter', 'calls').labels).toEqual(['service', 'method', 'status'])
  expect(() => definitionOf('gauge', 'calls')).toThrow('The table has no gauge calls')
})
