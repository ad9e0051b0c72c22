import { writeFileSync } from 'node:fs'
import { metricTablePath, renderMetricTable } from './metric-documents.ts'

// Writes docs/metrics.md from the table of @sd/metrics-kit.

writeFileSync(metricTablePath, renderMetricTable())
