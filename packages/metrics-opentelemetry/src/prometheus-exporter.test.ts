import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { publishEverything } from '@sd/testing'
import { expect, test, vi } from 'vitest'
import { startMeasured } from './testing/measured.ts'
import { measureWithPrometheus, readPage } from './testing/prometheus-samples.ts'

test.each([
  [{}, {}],
  [
    { prefix: 'shop.', maxSeries: 1, instanceLabels: true, buckets: [0.5, 5] },
    { prefix: 'shop_', maxSeries: 1, instanceLabels: true, buckets: [0.5, 5] },
  ],
])(
  'the Prometheus exporter of OpenTelemetry has the same series and values as @sd/metrics-prometheus: %o',
  async (ours, theirs) => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const expected = await measureWithPrometheus(theirs, publishEverything)
      await using measured = startMeasured({ names: 'prometheus', ...ours })
      const end = publishEverything()
      const text = new PrometheusSerializer().serialize(await measured.collectAll())
      end()
      expect(expected.size).toBeGreaterThan(200)
      expect(Object.fromEntries([...readPage(text)].sort())).toEqual(Object.fromEntries([...expected].sort()))
    } finally {
      vi.useRealTimers()
    }
  },
)
