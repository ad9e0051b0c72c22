import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { SeriesHistogram } from './series-histogram.ts'

const buckets = [0.1, 1, 10]
const definition = { name: 'duration_seconds', help: 'A duration.', labelNames: ['service', 'status'], registers: [] }
const values = [0, 0.1, 0.100001, 1, 5, 10, 11, 1e9]
const traces = [undefined, { trace_id: 'a' }, undefined, { trace_id: 'b' }]

test.each(['text', 'openmetrics'] as const)('it is written as a histogram of prom-client is, as %s', async (format) => {
  const theirs = new Histogram({ ...definition, buckets: [...buckets], enableExemplars: true })
  const ours = new SeriesHistogram({ ...definition, buckets: [...buckets] })
  const all = ['orders', 'a "quoted"\nname'].map((service) => ours.createValues({ service, status: '2xx' }))
  ours.source = () => all
  for (const series of all) {
    for (const [index, value] of values.entries()) {
      const exemplar = traces[index % traces.length]
      series.record(value, exemplar)
      theirs.observe({ labels: series.labels, value, exemplarLabels: exemplar ?? {} })
    }
  }
  const write = async (histogram: Histogram): Promise<string[]> => {
    const type = format === 'text' ? Registry.PROMETHEUS_CONTENT_TYPE : Registry.OPENMETRICS_CONTENT_TYPE
    const register = new (Registry as new (type: string) => Registry)(type)
    register.registerMetric(histogram)
    // The time of an exemplar differs, and the order of labels is free.
    return (await register.metrics()).split('\n').map((line) => {
      const [sample = '', exemplar = ''] = line.split(' # ')
      const sorted = sample.replace(/\{le="([^"]*)",(.*)\}/, (_, le, rest) => `{le="${le}",${rest}}`)
      return `${sorted} # ${exemplar.replace(/ [\d.]+$/, '')}`
    })
  }
  expect(await write(ours)).toEqual(await write(theirs))
  expect((await ours.get()).values.map(({ value }) => value)).toEqual((await theirs.get()).values.map(({ value }) => value))
})
