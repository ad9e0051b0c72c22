import { ADMIN_PROTOCOL, type CallRecord, LATENCY_BOUNDS } from '@sd/admin'
import { moving } from './script.ts'

/** What a process answers to a path. */
export function answerOf(path: string, query: Readonly<Record<string, string>>, at: number): unknown {
  const call = (index: number, rest: Partial<CallRecord>): CallRecord => ({
    at: at - index * 1_000,
    service: 'stock',
    method: 'GET',
    path: '/stock/42',
    durationMs: 900 - index * 40,
    attempts: 1,
    instanceId: 'stock-0',
    ...rest,
  })
  switch (path) {
    case '/edges':
      return {
        since: at - 60_000,
        omitted: 0,
        edges: [
          {
            service: 'stock',
            total: 5_840,
            failed: { 'HTTP 503': 3 },
            retries: 12,
            hedges: 0,
            refused: {},
            latency: LATENCY_BOUNDS.map(() => 10),
            latencySumMs: 9_400,
          },
        ],
      }
    case '/health':
      return {
        answers: [
          {
            status: 'healthy',
            isLive: true,
            isReady: true,
            checks: [{ check: 'disk', kind: 'readiness', status: 'healthy', since: at - 600_000, checkedAt: at - 2_000 }],
          },
        ],
      }
    case '/slow':
      return {
        slowest: [0, 1, 2].map((index) => call(index, { status: 200 })),
        failed: [
          call(4, { error: { code: 'SD_TIMEOUT', message: 'no response within 1,000 ms', retryable: true }, attempts: 3 }),
        ],
      }
    case '/samples':
      return {
        endsAt: at,
        intervalMs: 1_000,
        series: ['cpu', 'loopDelayMs', 'heapUsedBytes', 'calls', 'failed'].map((name, salt) => ({
          name,
          values: Array.from({ length: 300 }, (_, index) =>
            index < 20 ? null : moving(salt === 2 ? 24 * 1_048_576 : 0.2 * (salt + 1), at - (300 - index) * 1_000, salt),
          ),
        })),
      }
    case '/config':
      return {
        answers: [
          {
            config: 'orders.yaml',
            version: 3,
            updatedAt: at - 500_000,
            digest: 'd-new',
            sources: [],
            explanation: {
              path: query['path'] ?? '',
              value: 20,
              isSecret: false,
              source: 'environment',
              key: 'ORDERS_DB__POOL_SIZE',
              written: '20',
              overrode: [
                { source: 'etcd', key: 'orders.yaml', line: 3, written: 10 },
                { source: 'file', key: 'orders.yaml', line: 2, written: 5 },
              ],
            },
          },
        ],
      }
    default:
      return { protocol: ADMIN_PROTOCOL, answers: [] }
  }
}
