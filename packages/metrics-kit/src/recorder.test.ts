import { publishTelemetry, reportStates, SdError } from '@sd/core'
import { createHostileValues, createSeededRandom, createTelemetryCall, publishEverything, stateReports } from '@sd/testing'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { metricTable, type RecorderOptions, recordTelemetry, resolveIdleMs, resolveMeasureOptions } from './index.ts'
import { createMemorySink, type MemorySink } from './testing/memory-sink.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
  vi.useRealTimers()
})

function start(options: Partial<RecorderOptions> = {}): MemorySink {
  const sink = createMemorySink()
  open.push(recordTelemetry(sink, { ...resolveMeasureOptions({}), idleMs: resolveIdleMs(), ...options }))
  return sink
}

function endCall(service: string, isReached: boolean = false): void {
  const call = createTelemetryCall({ service })
  const end = { call, durationMs: 40, attempts: 1 }
  publishTelemetry('sd:v1:call:start', { call })
  if (isReached) publishTelemetry('sd:v1:attempt:end', { ...end, status: 200, instanceId: 'a', origin: 'http://10.0.0.1' })
  publishTelemetry('sd:v1:call:end', isReached ? { ...end, status: 200 } : { ...end, error: new SdError('SD_NO_INSTANCE', '-') })
}

test('creates every metric of the table once, in its order, and the events fill all of them', () => {
  const sink = start()
  expect(sink.definitions.map(({ name }) => name).sort()).toEqual(metricTable.map(({ name }) => name).sort())
  open.push(publishEverything())
  for (const { name, kind } of metricTable) {
    const found = kind === 'histogram' ? sink.observed(name) : sink.read(name)
    if (name !== 'metrics.overflow') expect(Object.keys(found).length, name).toBeGreaterThan(0)
  }
})

test('calls and their exemplars', () => {
  const sink = start({ exemplarOf: ({ call }) => ({ path: call.path }) })
  open.push(publishEverything())
  expect(sink.read('calls')).toEqual({
    'service=orders,method=GET,status=200': 1,
    'service=orders,method=other,status=none': 1,
  })
  expect(sink.observed('call.hedge.delay')).toEqual({ 'service=orders': [0.05] })
  expect(sink.read('call.hedge.outcomes')).toEqual({ 'service=orders,winner=hedge': 1 })
  expect(sink.exemplarOf('call.duration')).toEqual({ path: '/' })
})

test('instances are a label if the options ask for it', () => {
  const sink = start({ instanceLabels: true })
  open.push(publishEverything())
  expect(sink.read('endpoint.restores')).toEqual({ 'service=orders,monitor=outlier,instance_id=a': 1 })
  expect(sink.read('breaker.state')).toMatchObject({
    'service=orders,breaker=orders,scope=service,state=open,instance_id=': 1,
    'service=orders,breaker=orders,scope=instance,state=half-open,instance_id=b': 1,
  })
  expect(sink.definitions.filter(({ labels }) => labels.includes('instance_id')).map(({ name }) => name)).toEqual(
    metricTable.filter(({ perInstance }) => perInstance).map(({ name }) => name),
  )
})

test('balancers', () => {
  const sink = start()
  open.push(publishEverything())
  const sticky = 'service=orders,balancer=sticky-p2c'
  expect(sink.read('sticky.picks')).toEqual({
    [`${sticky},outcome=started`]: 1,
    [`${sticky},outcome=hit`]: 1,
    [`${sticky},outcome=unkeyed`]: 1,
  })
  expect(sink.read('sticky.session_changes')).toEqual({
    [`${sticky},change=started`]: 1,
    [`${sticky},change=evicted`]: 0,
    [`${sticky},change=expired`]: 1,
  })
  expect(sink.read('subset.picks')).toEqual({
    'service=orders,subset=canary,outcome=subset': 1,
    'service=orders,subset=unknown,outcome=base': 1,
  })
})

describe('locks', () => {
  const change = (state: 'acquired' | 'released' | 'lost', token: string, key = 'leader'): void =>
    publishTelemetry('sd:v1:lock:state', { lock: 'etcd', key, token, state })

  test('are measured from acquiring to the end', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const sink = start()
    change('acquired', '1')
    change('acquired', '2', 'other')
    vi.advanceTimersByTime(90_000)
    change('lost', '1')
    change('released', '1')
    expect(sink.read('locks.held')).toEqual({ 'lock=etcd': 1 })
    expect(sink.observed('lock.hold.duration')).toEqual({ 'lock=etcd,state=lost': [90] })
    expect(sink.read('lock.state_changes')).toEqual({
      'lock=etcd,state=acquired': 2,
      'lock=etcd,state=lost': 1,
      'lock=etcd,state=released': 1,
    })
  })

  test('that were acquired before are not subtracted', () => {
    const sink = start()
    change('released', '1')
    change('acquired', '2')
    expect(sink.read('locks.held')).toEqual({ 'lock=etcd': 1 })
  })

  test('of any number are bounded', () => {
    const sink = start()
    for (let token = 0; token < 10_050; token++) change('acquired', String(token))
    for (let token = 0; token < 10_050; token++) change('released', String(token))
    expect(sink.read('locks.held')).toEqual({ 'lock=etcd': 0 })
    expect(sink.observed('lock.hold.duration')['lock=etcd,state=released']).toHaveLength(10_000)
  })
})

describe('the limit of series', () => {
  test('counts new ones as other, until idle ones are removed', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const sink = start({ maxSeries: 2 })
    endCall('real', true)
    for (let guess = 0; guess < 5; guess++) endCall(`guess-${guess}`)
    expect(sink.read('calls')['service=other,method=other,status=other']).toBe(4)
    expect(sink.read('metrics.overflow')['metric=calls_total']).toBe(4)
    vi.advanceTimersByTime(11_000)
    endCall('late', true)
    const calls = sink.read('calls')
    expect(calls).toMatchObject({ 'service=real,method=GET,status=200': 1, 'service=late,method=GET,status=200': 1 })
    expect(calls).not.toHaveProperty('service=guess-0,method=GET,status=none')
    expect(Object.keys(sink.observed('call.duration'))).toContain('service=late,method=GET,status_class=2xx')
  })

  test('stays if the sink can’t forget series', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const sink = start({ maxSeries: 2, idleMs: undefined })
    for (let guess = 0; guess < 5; guess++) endCall(`guess-${guess}`)
    vi.advanceTimersByTime(86_400_000)
    endCall('late', true)
    expect(Object.keys(sink.read('calls'))).toEqual([
      'service=guess-0,method=GET,status=none',
      'service=guess-1,method=GET,status=none',
      'service=other,method=other,status=other',
    ])
  })
})

describe('states', () => {
  test('of several components are added up, or the largest applies, as the table says', () => {
    const sink = start()
    open.push(reportStates(() => stateReports))
    const more = { kind: 'config', config: 'app', version: 1, updatedAt: 1, staleSources: [], refusedSources: [] } as const
    open.push(
      reportStates(() => [
        { kind: 'retry-budget', service: 'orders', available: 4 },
        { ...more, degradedForMs: 0 },
      ]),
    )
    expect(sink.read('retry_budget.available')).toEqual({ 'service=orders': 15 })
    expect(sink.read('config.version')).toEqual({ 'config=app': 3 })
  })

  test('are missing after the end of a component, and the counts of a cluster stay', async () => {
    const sink = start()
    const end = reportStates(() => stateReports)
    expect(sink.read('instances')['service=orders,health=healthy']).toBe(4)
    expect(sink.read('discovery.lookups')).toEqual({ 'service=orders,result=hit': 10, 'service=orders,result=miss': 1 })
    end()
    await Promise.resolve()
    expect(sink.read('instances')).toEqual({})
    expect(sink.read('discovery.lookups')).toEqual({ 'service=orders,result=hit': 10, 'service=orders,result=miss': 1 })
  })

  test('that are malformed affect no others', () => {
    const errors: unknown[] = []
    const sink = start({ onError: (error) => errors.push(error) })
    open.push(reportStates(() => [{ kind: 'cluster', service: 'odd' } as never, ...stateReports]))
    expect(sink.read('concurrency.limit')).toEqual({ 'service=orders,limit=bulkhead': 20 })
    expect(errors).toEqual([expect.any(TypeError), expect.objectContaining({ code: 'SD_INVALID', field: 'amount' })])
  })
})

test('values that are not finite are refused', () => {
  const errors: unknown[] = []
  const sink = start({ onError: (error) => errors.push(error) })
  for (const durationMs of [Number.NaN, Number.POSITIVE_INFINITY]) {
    publishTelemetry('sd:v1:call:end', { call: createTelemetryCall(), durationMs, attempts: 1 })
  }
  expect(errors).toEqual([1, 2].map(() => expect.objectContaining({ cause: expect.objectContaining({ field: 'value' }) })))
  expect(sink.observed('call.duration')).toEqual({})
})

test('arbitrary events throw nothing, and add nothing that is not a number', () => {
  const hostile = createHostileValues(7)
  const random = createSeededRandom(7)
  const sink = start()
  const odd = (): unknown => (random() < 0.5 ? hostile.next() : 'x')
  const channels = [
    'sd:v1:call:hedge',
    'sd:v1:call:hedged',
    'sd:v1:sticky:pick',
    'sd:v1:subset:pick',
    'sd:v1:lock:state',
  ] as const
  for (let round = 0; round < 1_000; round++) {
    const event = { call: { service: odd() }, service: odd(), balancer: odd(), outcome: odd(), subset: odd(), winner: odd() }
    const channel = channels[Math.floor(random() * channels.length)] ?? 'sd:v1:call:hedge'
    publishTelemetry(channel, { ...event, lock: odd(), key: odd(), token: odd(), state: odd(), afterMs: odd() } as never)
  }
  for (const { name, kind } of metricTable) {
    if (kind !== 'histogram') expect(Object.values(sink.read(name)).every(Number.isFinite)).toBe(true)
  }
})

test('a sink that refuses a metric leaves no subscription', () => {
  const sink = createMemorySink()
  const failing = {
    ...sink,
    gauge() {
      throw new SdError('SD_CONFLICT', 'taken')
    },
  }
  expect(() => recordTelemetry(failing, { ...resolveMeasureOptions({}), idleMs: undefined })).toThrow('taken')
  endCall('orders', true)
  expect(sink.read('metrics.overflow')).toEqual({})
})

test.each([
  [{ buckets: [] }, 'buckets'],
  [{ buckets: [2, 1] }, 'buckets[1]'],
  [{ instanceLabels: 1 }, 'instanceLabels'],
  [{ maxSeries: 1.5 }, 'maxSeries'],
  [{ onError: 'log' }, 'onError'],
])('%o is refused', (options, field) => {
  expect(() => resolveMeasureOptions(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
