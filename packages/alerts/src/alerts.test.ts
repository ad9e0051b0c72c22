import { SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Alert, type AlertsOptions, createAlerts } from './index.ts'
import { createWorld, perService } from './testing/world.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)
const firingA = '[critical] errors{service="a"} is firing: 9 > 5'
const resolvedA = '[critical] errors{service="a"} is resolved'

test('changes of state are published', async () => {
  const events: TelemetryEvents['sd:v1:alert:state'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:alert:state', (event) => void events.push(event)))
  const { alerts, set } = createWorld()
  set({ a: 9 })
  await pass(30_000)
  set({})
  await pass(10_000)
  const alert = { rule: 'errors', severity: 'critical', labels: { service: 'a' }, value: 9, isSilenced: false }
  expect(events).toEqual([
    { ...alert, state: 'pending' },
    { ...alert, state: 'firing', previous: 'pending' },
    { ...alert, state: 'resolved', previous: 'firing' },
  ])
  await alerts.close()
})

describe('an alert', () => {
  test('fires when the condition has held for long enough, by service, and is resolved', async () => {
    const { alerts, set, received } = createWorld()
    const changes: string[] = []
    const stop = alerts.onChange(({ labels, state }, previous) => changes.push(`${labels['service']}: ${previous} → ${state}`))
    set({ a: 9, b: 1 })
    await pass(29_999)
    expect(alerts.state().alerts).toMatchObject([{ state: 'pending', labels: { service: 'a' }, value: 9, threshold: 5 }])
    expect(received()).toEqual([])
    await pass(1)
    expect(received()).toEqual([firingA])
    set({ a: 8, b: 6.1234567 })
    await pass(10_000)
    expect(alerts.state().alerts.map(({ state, value }) => [state, value])).toEqual([
      ['firing', 8],
      ['pending', 6.1234567],
    ])
    set({ b: 3 })
    await pass(10_000)
    expect(received()).toEqual([resolvedA])
    const [resolved] = alerts.state().alerts
    expect(resolved).toEqual({
      id: 'errors[["service","a"]]',
      rule: 'errors',
      state: 'resolved',
      severity: 'critical',
      labels: { service: 'a' },
      condition: '>',
      threshold: 5,
      value: 8,
      activeAt: Date.UTC(2026, 0, 1),
      firingAt: Date.UTC(2026, 0, 1) + 30_000,
      resolvedAt: Date.UTC(2026, 0, 1) + 50_000,
      isSilenced: false,
      metadata: {},
    } satisfies Alert)
    await pass(15 * 60_000)
    expect(alerts.state().alerts).toEqual([])
    expect(changes).toEqual(['a: undefined → pending', 'a: pending → firing', 'b: undefined → pending', 'a: firing → resolved'])
    stop()
    await alerts.close()
  })

  test.each([
    ['>', [4, 5], 6],
    ['>=', [4], 5],
    ['<', [5, 6], 4],
    ['<=', [6], 5],
    ['==', [4, Number.NaN], 5],
    ['!=', [5, Number.NaN], 4],
  ] as const)('%s compares', async (condition, calm, alarming) => {
    const { alerts, set, received } = createWorld({ rules: [{ ...perService, condition, durationMs: 0 }] })
    for (const value of calm) {
      set({ a: value })
      await alerts.evaluate()
    }
    expect(alerts.state().alerts).toEqual([])
    set({ a: alarming })
    await alerts.evaluate()
    await pass(0)
    expect(received()).toEqual([`[critical] errors{service="a"} is firing: ${alarming} ${condition} 5`])
    await alerts.close()
  })

  test('keeps firing over short pauses', async () => {
    const { alerts, set, received } = createWorld({ rules: [{ ...perService, durationMs: 0, keepFiringMs: 25_000 }] })
    set({ a: 9 })
    await pass(10_000)
    for (const value of [1, 1, 9, 1, 1]) {
      set({ a: value })
      await pass(10_000)
    }
    expect(received()).toEqual([firingA])
    await pass(20_000)
    expect(received()).toEqual([resolvedA])
    await alerts.close()
  })

  test('of absence fires while there is no such series', async () => {
    const labels = { service: 'a' }
    const rule = { name: 'gone', metric: 'errors', labels, condition: 'absent', metadata: { summary: 'a\nis silent' } } as const
    const { alerts, set, received } = createWorld({ rules: [rule] })
    set({ a: 0, b: 0 })
    await pass(0)
    set({ b: 0 })
    await pass(10_000)
    expect(received()).toEqual(['[warning] gone{service="a"} is firing: no such series: a is silent'])
    set({ a: 0 })
    await pass(10_000)
    expect(received()).toEqual(['[warning] gone{service="a"} is resolved: a is silent'])
    await alerts.close()
  })

  test('does not change while the source fails or hangs', async () => {
    const { alerts, set, received, breakSource, errors } = createWorld({ rules: [{ ...perService, durationMs: 0 }] })
    set({ a: 9 })
    await pass(10_000)
    breakSource(new Error('no metrics'))
    await pass(20_000)
    expect(alerts.state().alerts).toMatchObject([{ state: 'firing' }])
    expect(errors.map(({ message }) => message)).toEqual(['Reading metrics: no metrics', 'Reading metrics: no metrics'])
    expect(received()).toEqual([firingA])
    await alerts.close()

    const hanging = createWorld({ source: () => new Promise(() => undefined), collectTimeoutMs: 3_000 })
    await pass(3_000)
    expect(hanging.errors).toMatchObject([{ code: 'SD_TIMEOUT' }])
    await pass(10_000)
    await hanging.alerts.close()
    expect(hanging.errors).toHaveLength(1)
  })

  test('of a rule with too many groups is ignored, but firing ones stay', async () => {
    const { alerts, set, errors } = createWorld({ rules: [{ ...perService, durationMs: 0 }] })
    set({ a: 9 })
    await pass(0)
    set(Object.fromEntries(Array.from({ length: 1_500 }, (_, index) => [`s${1_500 - index}`, 9]).concat([['a', 9]])))
    await pass(10_000)
    expect(alerts.state().alerts).toHaveLength(1_000)
    expect(alerts.state().alerts[0]?.labels).toEqual({ service: 'a' })
    expect(errors.map(({ message }) => message)).toEqual([
      'Rule errors has more than 1000 alerts, 501 were ignored: group by fewer labels',
    ])
    await alerts.close()
  })
})

describe('channels', () => {
  test('are notified once, and again after the repeat interval', async () => {
    const { alerts, set, received } = createWorld({ repeatIntervalMs: 60_000, rules: [{ ...perService, durationMs: 0 }] })
    set({ a: 9 })
    await pass(50_000)
    expect(received()).toEqual([firingA])
    await pass(15_000)
    expect(received()).toEqual([firingA])
    await alerts.close()
  })

  test('receive alerts of their rules only', async () => {
    const others: string[] = []
    const other = { name: 'other', send: async () => void others.push('received') }
    const { alerts, set, received } = createWorld({
      channels: [other, { name: 'team', send: async () => undefined }],
      rules: [
        { ...perService, durationMs: 0, channels: ['team'] },
        { ...perService, name: 'nobody', durationMs: 0, channels: [] },
      ],
    })
    set({ a: 9 })
    await pass(10_000)
    expect([received(), others]).toEqual([[], []])
    expect(alerts.state().channels).toEqual([
      { name: 'other', waiting: 0, sent: 0, failed: 0, dropped: 0 },
      { name: 'team', waiting: 0, sent: 1, failed: 0, dropped: 0 },
    ])
    await alerts.close()
  })

  test('a silence suppresses notifications until it ends; a channel that received firing receives resolved', async () => {
    const { alerts, set, received } = createWorld({ rules: [{ ...perService, durationMs: 0 }] })
    const silence = alerts.silence({ labels: { service: 'a' }, durationMs: 35_000, comment: 'maintenance' })
    alerts.silence({ rule: 'other', durationMs: 1_000_000, comment: 'not this' })
    set({ a: 9, b: 9 })
    await pass(30_000)
    expect(received()).toEqual([firingA.replace('"a"', '"b"')])
    expect(alerts.state().alerts.map(({ isSilenced }) => isSilenced)).toEqual([true, false])
    expect(alerts.silences()).toHaveLength(2)
    await pass(10_000)
    expect(received()).toEqual([firingA])
    expect(alerts.silences()).toMatchObject([{ rule: 'other' }])
    expect(alerts.expireSilence(silence.id)).toBe(false)

    const another = alerts.silence({ rule: 'errors', durationMs: 1_000_000, comment: 'again' })
    set({ b: 9, c: 9 })
    await pass(10_000)
    expect(received()).toEqual([resolvedA])
    expect(alerts.expireSilence(another.id)).toBe(true)
    set({ b: 9 })
    await pass(10_000)
    // c began and ended during the silence.
    expect(received()).toEqual([])
    await alerts.close()
  })

  test('a slow one delays nothing else; only the last state of an alert waits', async () => {
    let release: () => void = () => undefined
    const batches: string[][] = []
    const { alerts, set } = createWorld({ rules: [{ ...perService, durationMs: 0 }] }, async ({ alerts: received }) => {
      batches.push(received.map(({ labels, state }) => `${labels['service']} ${state}`))
      await new Promise<void>((resolve) => {
        release = resolve
      })
    })
    set({ a: 9, b: 9 })
    await pass(0)
    set({ c: 9 })
    await pass(5_000)
    await alerts.evaluate()
    set({ c: 1 })
    await alerts.evaluate()
    expect(alerts.state().channels).toMatchObject([{ waiting: 3, sent: 0 }])
    release()
    await pass(0)
    release()
    await alerts.close()
    expect(batches).toEqual([
      ['a firing', 'b firing'],
      ['a resolved', 'b resolved', 'c resolved'],
    ])
    expect(alerts.state().channels).toMatchObject([{ waiting: 0, sent: 5 }])
  })

  test('a failing one is retried with growing pauses, and keeps pending alerts until they are sent', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    const send = vi.fn(async () => {
      throw new Error('no way')
    })
    const { alerts, set, errors } = createWorld({ rules: [{ ...perService, durationMs: 0 }] }, send)
    set({ a: 9 })
    await pass(15_200)
    expect(send).toHaveBeenCalledTimes(5)
    expect(errors.map(({ message }) => message)).toEqual(['Channel team: no way'])
    expect(alerts.state().channels).toMatchObject([{ sent: 0, failed: 1, waiting: 1 }])
    set({})
    send.mockImplementation(async () => undefined as never)
    await pass(120_000)
    expect(send.mock.lastCall?.[0 as never]).toMatchObject({ alerts: [{ state: 'resolved' }] })
    expect(alerts.state().channels).toMatchObject([{ sent: 1, failed: 1, waiting: 0 }])
    expect(errors).toHaveLength(1)
    await alerts.close()
  })

  test('the end of an alert is sent after an outage of the channel longer than all attempts', async () => {
    const states: string[] = []
    let isUnreachable = false
    const { alerts, set } = createWorld({ rules: [{ ...perService, durationMs: 0 }] }, async ({ alerts: received }) => {
      if (isUnreachable) throw new Error('away')
      states.push(...received.map(({ state }) => state))
    })
    set({ a: 9 })
    await pass(1_000)
    isUnreachable = true
    set({})
    await pass(3_600_000)
    expect(states).toEqual(['firing'])
    isUnreachable = false
    await pass(61_000)
    expect(states).toEqual(['firing', 'resolved'])
    await alerts.close()
  })

  test('a requested delay is respected', async () => {
    const times: number[] = []
    const { alerts, set } = createWorld({ rules: [{ ...perService, durationMs: 0 }] }, async () => {
      times.push(Date.now())
      throw new SdError('SD_UNAVAILABLE', 'busy', { retryAfterMs: 40_000 })
    })
    set({ a: 9 })
    await pass(130_000)
    expect(times.length).toBeGreaterThan(2)
    for (const [index, time] of times.slice(1).entries()) expect(time - (times[index] as number)).toBeGreaterThanOrEqual(40_000)
    const closing = alerts.close()
    await pass(5_000)
    await closing
  })

  test('a rejected alert does not delay others, and stays pending', async () => {
    const received: string[] = []
    let isPicky = true
    const { alerts, set, errors } = createWorld({ rules: [{ ...perService, durationMs: 0 }] }, async ({ alerts: batch }) => {
      if (isPicky && batch.some(({ labels }) => labels['service'] === 'bad')) throw new SdError('SD_DENIED', 'bad request')
      received.push(...batch.map(({ labels }) => labels['service'] as string))
    })
    set({ a: 9, bad: 9, c: 9 })
    await pass(1_000)
    expect([received.sort(), errors.length]).toEqual([['a', 'c'], 1])
    expect(alerts.state().channels).toMatchObject([{ sent: 2, failed: 1, waiting: 1 }])
    isPicky = false
    await pass(300_000)
    expect(received.sort()).toEqual(['a', 'bad', 'c'])
    await alerts.close()
  })

  test('one that hangs is aborted, and closing waits for it only for a limited time', async () => {
    // Without jitter, so that the pauses between attempts end before the close limit.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const { alerts, set, errors } = createWorld({ rules: [{ ...perService, durationMs: 0 }], closeTimeoutMs: 2_000 }, () => {
      return new Promise(() => undefined)
    })
    set({ a: 9 })
    await pass(10_500)
    set({ b: 9 })
    await pass(10_000)
    const closing = alerts.close()
    expect(alerts.close()).toBeInstanceOf(Promise)
    await pass(2_000)
    await closing
    expect(errors.map(({ message }) => message)).toEqual(['Channel team dropped 2 alerts: closed before they were sent'])
    // The end of a replaced its beginning, which could not be sent.
    expect(alerts.state().channels).toMatchObject([{ sent: 0, failed: 0, dropped: 2, waiting: 0 }])
  })

  test('alerts beyond the limit are dropped and reported', async () => {
    const { alerts, set, errors } = createWorld(
      {
        rules: [
          { ...perService, durationMs: 0 },
          { ...perService, name: 'more', durationMs: 0 },
        ],
        closeTimeoutMs: 0,
      },
      () => new Promise(() => undefined),
    )
    set(Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`s${index}`, 9])))
    await pass(0)
    expect(errors).toHaveLength(200)
    expect(errors[0]?.message).toBe('Channel team dropped 1 alerts: more than 1000 are waiting')
    const closing = alerts.close()
    await pass(1)
    await closing
    expect(alerts.state().channels).toMatchObject([{ waiting: 0, failed: 0, dropped: 1_200 }])
  })
})

describe('rules change at run time', () => {
  test('unchanged rules keep their alerts, alerts of others end', async () => {
    const rules = [
      { ...perService, durationMs: 0 },
      { ...perService, name: 'more', durationMs: 0 },
    ]
    const { alerts, set, received } = createWorld({ rules })
    set({ a: 9 })
    await pass(0)
    received()
    alerts.setRules([{ ...perService, durationMs: 0 }])
    await pass(10_000)
    expect(received()).toEqual(['[critical] more{service="a"} is resolved'])
    expect(alerts.state()).toMatchObject({ rules: [{ name: 'errors' }], alerts: [{ state: 'firing' }] })

    alerts.addRule({ name: 'total', metric: 'errors', condition: '>', threshold: 1 })
    expect(alerts.enableRule('errors', false)).toBe(true)
    await pass(10_000)
    expect(received()).toEqual([resolvedA, '[warning] total is firing: 9 > 1'])
    expect(alerts.enableRule('errors', true)).toBe(true)
    expect(alerts.removeRule('total')).toBe(true)
    await pass(10_000)
    expect(received()).toEqual(['[warning] total is resolved', firingA])
    expect([alerts.removeRule('total'), alerts.enableRule('total', true)]).toEqual([false, false])
    await alerts.close()
  })

  test('nothing changes if one is invalid', async () => {
    const { alerts } = createWorld()
    expect(() =>
      alerts.setRules([
        { ...perService, name: 'new' },
        { ...perService, metric: '' },
      ]),
    ).toThrow('Invalid rules[1].metric')
    expect(() => alerts.addRule(perService)).toThrow('Invalid rules[1].name')
    expect(alerts.state().rules).toEqual([perService])
    await alerts.close()
  })

  test('also by a listener, which receives changes in order; its errors are reported', async () => {
    const { alerts, set, received, errors } = createWorld({
      rules: [
        { ...perService, durationMs: 0 },
        { ...perService, name: 'more', durationMs: 0 },
      ],
    })
    const seen: string[] = []
    alerts.onChange(({ rule, state }) => {
      seen.push(`${rule} ${state}`)
      if (alerts.removeRule('more')) throw new Error('listener')
    })
    set({ a: 9 })
    await pass(0)
    expect(seen).toEqual(['errors firing', 'more firing', 'more resolved'])
    expect(received()).toEqual([firingA, '[critical] more{service="a"} is resolved'])
    expect(errors.map(({ message }) => message)).toEqual(['listener of alerts: listener'])
    await alerts.close()
  })
})

test('an evaluation in progress is not started twice', async () => {
  const source = vi.fn(async () => [])
  const alerts = createAlerts({ source })
  const [one, two] = [alerts.evaluate(), alerts.evaluate()]
  expect(one).toBe(two)
  await one
  expect(source).toHaveBeenCalledOnce()
  expect(alerts.state().evaluatedAt).toBe(Date.now())
  await alerts[Symbol.asyncDispose]()
})

test('errors go to stderr by default, and an onError that throws has no effect', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const source = (): never => {
    throw new Error('no metrics')
  }
  const quiet = createAlerts({ source })
  const loud = createAlerts({
    source,
    onError() {
      throw new Error('from onError')
    },
  })
  await Promise.all([quiet.evaluate(), loud.evaluate()])
  expect(write).toHaveBeenCalledWith('Reading metrics: no metrics\n')
  write.mockRestore()
  await Promise.all([quiet.close(), loud.close()])
})

test.each<[string, object]>([
  ['source', { source: 1 }],
  ['rules', { rules: {} }],
  ['rules[0]', { rules: [1] }],
  ['rules[0].condition', { rules: [{ ...perService, condition: '~' }] }],
  ['rules[0].thresholds', { rules: [{ ...perService, thresholds: 1 }] }],
  ['rules[0].threshold', { rules: [{ name: 'a', metric: 'b', condition: 'absent', threshold: 1 }] }],
  ['rules[0].threshold', { rules: [{ ...perService, threshold: '5' }] }],
  ['rules[0].name', { rules: [{ ...perService, name: 'a\nb' }] }],
  ['rules[0].labels.service', { rules: [{ ...perService, labels: { service: 1 } }] }],
  ['rules[0].durationMs', { rules: [{ ...perService, durationMs: -1 }] }],
  ['rules[0].keepFiringMs', { rules: [{ ...perService, keepFiringMs: 0.5 }] }],
  ['rules[0].severity', { rules: [{ ...perService, severity: 'fatal' }] }],
  ['rules[0].channels[0]', { rules: [{ ...perService, channels: ['nobody'] }] }],
  ['rules[0].enabled', { rules: [{ ...perService, enabled: 1 }] }],
  ['rules[0].metadata.runbook', { rules: [{ ...perService, metadata: { runbook: 5 } }] }],
  ['rules[0].groupBy', { rules: [{ ...perService, groupBy: 'service' }] }],
  ['rules[0].aggregate', { rules: [{ ...perService, aggregate: 'median' }] }],
  ['rules[0].aggregate.kind', { rules: [{ ...perService, aggregate: { kind: 'median' } }] }],
  ['rules[0].aggregate.windowMs', { rules: [{ ...perService, aggregate: { kind: 'rate' } }] }],
  ['rules[0].aggregate.quantile', { rules: [{ ...perService, aggregate: { kind: 'rate', windowMs: 1, quantile: 1 } }] }],
  ['rules[0].aggregate.quantile', { rules: [{ ...perService, aggregate: { kind: 'quantile', windowMs: 1, quantile: 99 } }] }],
  ['channels[0].name', { channels: [{}] }],
  ['channels[0].send', { channels: [{ name: 'a' }] }],
  ['channels[0].timeoutMs', { channels: [{ name: 'a', send: () => 1, timeoutMs: 0 }] }],
  ['channels[0].maxAttempts', { channels: [{ name: 'a', send: () => 1, maxAttempts: 0 }] }],
  [
    'channels[1].name',
    {
      channels: [
        { name: 'a', send: () => 1 },
        { name: 'a', send: () => 1 },
      ],
    },
  ],
  ['intervalMs', { intervalMs: 0 }],
  ['interval', { interval: 1 }],
  ['onError', { onError: 1 }],
])('%s is refused', (field, options) => {
  expect(() => createAlerts({ source: () => [], ...options } as AlertsOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', message: expect.stringContaining(`Invalid ${field}:`) }),
  )
})

test('invalid silences are rejected, and their number is limited', async () => {
  const { alerts } = createWorld()
  const good = { rule: 'errors', durationMs: 1_000, comment: 'x' }
  for (const [field, options] of [
    ['rule', { ...good, rule: undefined }],
    ['rule', { ...good, rule: undefined, labels: {} }],
    ['labels.a', { ...good, labels: { a: 1 } }],
    ['durationMs', { ...good, durationMs: 0 }],
    ['comment', { ...good, comment: undefined }],
    ['until', { ...good, until: 5 }],
  ] as const) {
    expect(() => alerts.silence(options as never)).toThrow(`Invalid ${field}:`)
  }
  for (let count = 0; count < 1_000; count++) alerts.silence(good)
  expect(() => alerts.silence(good)).toThrow('The limit of 1000 silences is reached: expire some first')
  await alerts.close()
})
