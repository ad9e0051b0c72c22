import { createEndpoint, createServiceInstance, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type CallExplanation, createRecorder, formatExplanation } from './explanation.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const endpoint = createEndpoint(
  createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80, protocol: 'http' }),
)
const end = { service: 'orders', method: 'GET', path: '/total?token=SECRET', status: 200 }

describe('the record of a call', () => {
  test('has its steps with their times, the first view of the cluster, and no query', () => {
    const onExplained = vi.fn()
    const recorder = createRecorder(onExplained)
    vi.advanceTimersByTime(5)
    recorder.note('started' as never, { attempt: 1, endpoint, detail: 'why' })
    recorder.noteCluster(() => ({ service: 'orders', isPanic: true }) as never)
    const second = vi.fn()
    recorder.noteCluster(second)
    vi.advanceTimersByTime(7)
    recorder.note('failed' as never)
    recorder.finish(end)
    expect(onExplained).toHaveBeenCalledExactlyOnceWith({
      ...end,
      path: '/total',
      cluster: { service: 'orders', isPanic: true },
      steps: [
        { atMs: 5, step: 'started', attempt: 1, origin: 'http://10.0.0.1:80', detail: 'why' },
        { atMs: 12, step: 'failed', attempt: undefined, origin: undefined, detail: undefined },
      ],
      durationMs: 12,
    })
    expect(second).not.toHaveBeenCalled()
  })
})

describe('an explanation as text', () => {
  const base: CallExplanation = { ...end, path: '/total', cluster: undefined, steps: [], durationMs: 3.5, error: undefined }

  test('of a call without a cluster has its request and its end', () => {
    expect(formatExplanation(base)).toBe('GET orders/total\n  3.5 ms 200')
    expect(formatExplanation({ ...base, error: new SdError('SD_TIMEOUT', 'late') })).toBe(
      'GET orders/total\n  3.5 ms SD_TIMEOUT: late',
    )
  })

  test('has a line for a panic, for held instances, for each endpoint and for each step', () => {
    const cluster = {
      isPanic: true,
      held: { instanceIds: ['a', 'b'], reason: 'the list lost 2 of 3 instances' },
      endpoints: [
        { endpoint, weight: 0.3333, outs: [] },
        { endpoint, weight: 0, dropped: 'zone', outs: [{ reason: 'breaker', detail: 'a is open', since: Date.now() }] },
      ],
    }
    const steps = [
      { atMs: 0.1, step: 'started', attempt: 1, origin: 'http://10.0.0.1:80', detail: undefined },
      { atMs: 3, step: 'refused', attempt: undefined, origin: undefined, detail: 'breaker orders' },
    ]
    const lines = formatExplanation({ ...base, cluster: cluster as never, steps: steps as never }).split('\n')
    expect(lines.map((line) => line.replace(/; .*breaker.*$/, '; (out)'))).toEqual([
      'GET orders/total',
      '  panic: too few healthy instances, so all are used',
      '  held: 2 instances, the list lost 2 of 3 instances',
      '  http://10.0.0.1:80 (a) kept, weight 0.33',
      '  http://10.0.0.1:80 (a) dropped by zone; (out)',
      '  0.1 ms started attempt 1 http://10.0.0.1:80',
      '  3 ms refused breaker orders',
      '  3.5 ms 200',
    ])
  })
})
