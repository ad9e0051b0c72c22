import { join } from 'node:path'
import { metricTable, prometheusNameOf } from '@sd/metrics-kit'
import { root } from './gate.ts'

/** Path of the table for users. */
export const metricTablePath: string = join(root, 'docs/metrics.md')

/** Renders the document for users from the table of the metrics packages. */
export function renderMetricTable(): string {
  const rows = metricTable.map((row) => {
    const { name, unit, kind, labels, perInstance, help } = row
    const names = [...labels, ...(perInstance ? ['instance_id'] : [])].map((label) => `\`${label}\``).join(', ')
    return `| \`sd_${prometheusNameOf(row)}\` | \`sd.${name}\` | ${unit === '' ? '' : `\`${unit}\``} | ${kind} | ${names} | ${help} |`
  })
  return `# Metrics

[\`@sd/metrics-prometheus\`](../packages/metrics-prometheus) and [\`@sd/metrics-opentelemetry\`](../packages/metrics-opentelemetry) measure the same.
This table is generated from the one that both use.
A collector of OpenTelemetry makes the names of the first column of those in the second.
The label \`instance_id\` exists only with the option \`instanceLabels\`. What the labels mean is in the README of each package.

| Prometheus | OpenTelemetry | unit | kind | labels | meaning |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

The metrics of collectors, such as those of the process and of databases, are in the [README of @sd/metrics-prometheus](../packages/metrics-prometheus/README.md#semantics-and-limits).
`
}
