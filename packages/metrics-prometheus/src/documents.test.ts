import { readFileSync } from 'node:fs'
import { metricTable, prometheusNameOf } from '@sd/metrics-kit'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Metrics } from './index.ts'
import { readExpressions, readGridPositions, readRowTitles, readVariableQueries } from './testing/dashboard.ts'
import { alertRules, packageFolder, recordingRules, ruleFiles } from './testing/rules.ts'
import { startEverything } from './testing/run-everything.ts'

/** Members of prom-client's metrics that its types omit. */
interface Known {
  readonly name: string
  readonly type: string
  readonly labelNames: readonly string[]
}

let metrics: Metrics
let known: readonly Known[]

beforeAll(async () => {
  metrics = startEverything()
  // The collectors create their metrics when they run.
  await vi.waitFor(() => expect(metrics.register.getSingleMetric('sd_service_up')).toBeDefined())
  known = metrics.register.getMetricsAsArray() as unknown as readonly Known[]
})
afterAll(() => metrics.close())

test('the metrics are those of the table, and the README lists those of collectors', () => {
  const readme = readFileSync(`${packageFolder}/README.md`, 'utf8')
  const listed = [...readme.matchAll(/^\| `(sd_\w+)` *\| (\w+) *\| (.*?) *\|/gm)].map(
    ([, name = '', type = '', labels = '']) => ({
      name,
      type,
      labelNames: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    }),
  )
  const table = metricTable.map((row) => ({ name: `sd_${prometheusNameOf(row)}`, type: row.kind, labelNames: row.labels }))
  const byName = (one: { readonly name: string }, other: { readonly name: string }): number => one.name.localeCompare(other.name)
  expect([...table, ...listed].sort(byName)).toEqual(
    known.map(({ name, type, labelNames }) => ({ name, type, labelNames })).sort(byName),
  )
})

test('names have base units and the suffixes of their types', () => {
  for (const { name, type } of known) {
    expect(name).toMatch(/^sd_[a-z0-9_]+$/)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    expect(name).not.toMatch(/_(ms|milliseconds|percent|kb|mb)(_|$)/)
  }
})

describe('the dashboard', () => {
  const expressions = readExpressions()

  test('has its rows', () => {
    expect(readRowTitles()).toEqual([
      'Traffic',
      'Latency',
      'Errors',
      'Resilience',
      'Balancing and locks',
      'Registry',
      'Gateway',
      'Configuration',
      'Process',
    ])
    expect(expressions.length).toBeGreaterThan(50)
  })

  test.each([...expressions, ...readVariableQueries()])('knows the metrics and labels of %s', checkNames)

  test('has no panels that overlap', () => {
    const cells = readGridPositions().flatMap(({ x, y, w, h }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}:${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  test('shows every metric', () => {
    const shown = new Set(expressions.flatMap((expression) => expression.match(/\bsd_\w+/g) ?? []).map(findMetric))
    expect(known.filter((metric) => !shown.has(metric))).toEqual([])
  })
})

describe('the rules', () => {
  test.each(alertRules)('$alert knows its metrics and labels, and has a summary', ({ expr, labels, annotations }) => {
    checkNames(expr)
    expect(['critical', 'warning']).toContain(labels['severity'])
    const used = Object.values(annotations).flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label))
    expect(annotations['summary']).toMatch(/^[A-Z1].*\.$/)
    expect(readLabels(expr)).toEqual(expect.arrayContaining(used))
  })

  test.each(recordingRules)('$record knows its metrics and labels', ({ record, expr }) => {
    expect(record).toMatch(/^job_(service|route):sd_[a-z_]+:[a-z0-9_]+$/)
    // Recorded series have names of their own.
    const measured = expr.replaceAll(/\w+:\w+:\w+/g, 'sd_calls_active')
    checkNames(measured)
  })

  test.each(ruleFiles)('%s has a case of promtool for each rule', (file) => {
    const tests = readFileSync(`${packageFolder}/src/testing/rule-tests/${file.replace('rules/', '')}`, 'utf8')
    const names = [...readFileSync(`${packageFolder}/${file}`, 'utf8').matchAll(/- (?:alert|record): (\S+)/g)].map(
      ([, name]) => name,
    )
    for (const name of names) expect(tests).toContain(name?.includes(':') ? name : `${name} stays quiet`)
  })
})

/** Fails if an expression has a metric or a label that does not exist. */
function checkNames(expression: string): void {
  const names = expression.match(/\bsd_\w+/g) ?? []
  expect(names.length).toBeGreaterThan(0)
  const found = names.map((name) => findMetric(name))
  expect(found, names.join()).not.toContain(undefined)
  // Prometheus adds job and instance, histograms have le.
  const labels = new Set(['__name__', 'job', 'instance', ...found.flatMap((metric) => metric?.labelNames ?? [])])
  if (found.some((metric) => metric?.type === 'histogram')) labels.add('le')
  for (const label of readLabels(expression)) expect(labels).toContain(label)
}

/** The metric behind a name in an expression; histograms are queried by their parts. */
function findMetric(name: string): Known | undefined {
  const whole = known.find((metric) => metric.name === name)
  if (whole) return whole.type === 'histogram' ? undefined : whole
  const histogram = name.replace(/_(bucket|sum|count)$/, '')
  return known.find((metric) => metric.name === histogram && metric.type === 'histogram')
}

/** Labels that an expression selects or groups by. */
function readLabels(expression: string): readonly string[] {
  const selected = [...expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = '']) => label)
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  )
  return [...selected, ...grouped]
}
