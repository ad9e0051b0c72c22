import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { metricTablePath, renderMetricTable } from './metric-documents.ts'

test('docs/metrics.md is what node checks/src/write-metric-table.ts writes', () => {
  expect(readFileSync(metricTablePath, 'utf8')).toBe(renderMetricTable())
})
