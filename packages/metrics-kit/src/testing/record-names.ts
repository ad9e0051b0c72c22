import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { metricTable } from '../metric-table.ts'

// Records the names of the table in Prometheus, as otlptranslator makes them. Needs Go.

const cwd = fileURLToPath(new URL('./otlp-names', import.meta.url))
const names = execFileSync('go', ['run', '.'], { cwd, input: JSON.stringify(metricTable), encoding: 'utf8' })
writeFileSync(new URL('./recorded-otlp-names.json', import.meta.url), names)
