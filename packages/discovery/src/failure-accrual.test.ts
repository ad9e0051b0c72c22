import { type Endpoint, type Outcome, type Picker, SdError } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDiscovery, type Discovery, type DiscoveryOptions } from './index.ts'

let registry: MemoryRegistry
let discovery: Discovery

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  registry = createMemoryRegistry()
})
afterEach(async () => {
  await discovery.close()
  await registry.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function start(count: number, options: Partial<DiscoveryOptions> = {}): Promise<readonly Endpoint[]> {
  for (let index = 0; index < count; index++) await registry.register(plainSpec('orders', index))
  discovery = createDiscovery({ source: registry, ...options })
  const cluster = discovery.cluster('orders')
  await cluster.ready()
  return cluster.view.endpoints
}

const refused = new SdError('SD_UNAVAILABLE', 'connect ECONNREFUSED')
const reset = new SdError('SD_UNAVAILABLE', 'read ECONNRESET')
const late = new SdError('SD_TIMEOUT', 'no response in time')
const given = new SdError('SD_ABORTED', 'another was faster')

/** An attempt that waits this long for its response, or one that began some time ago. */
function attempt(endpoint: Endpoint | undefined, outcome: Partial<Outcome>, beganMs: number = 0): void {
  const startedAt = performance.now() - beganMs
  endpoint?.acquire()
  vi.advanceTimersByTime(outcome.latencyMs ?? 0)
  endpoint?.release({ ok: false, startedAt, ...outcome })
}

const answers = { ok: true, status: 200, latencyMs: 1 }
const cluster = () => discovery.cluster('orders')
const isUp = (endpoints: readonly Endpoint[]): string => endpoints.map(({ available }) => (available ? 'x' : '-')).join('')
const reasonOf = (endpoint: Endpoint | undefined): string | undefined => endpoint?.blocks[0]?.reason

describe('what takes an instance out', () => {
  test.each<[string, number, Partial<Outcome>, string | undefined]>([
    ['a refused connection, at once', 1, { error: refused, sent: false }, 'unreachable'],
    ['no response in time, at once', 1, { error: late, sent: true }, 'unreachable'],
    ['a broken connection, not yet', 4, { error: reset, sent: true }, undefined],
    ['five broken connections', 5, { error: reset, sent: true }, 'unreachable'],
    ['four errors, not yet', 4, { status: 500, latencyMs: 1 }, undefined],
    ['five errors', 5, { status: 500, latencyMs: 1 }, 'failing'],
    ['503 with Retry-After', 1, { status: 503, latencyMs: 1, retryAfterMs: 2_000 }, 'retry-after'],
    ['one 429 with Retry-After, which may be about its caller', 1, { ok: true, status: 429, retryAfterMs: 2_000 }, undefined],
    ['two of those', 2, { ok: true, status: 429, retryAfterMs: 2_000 }, 'retry-after'],
    ['a call that the caller aborted, never', 20, { error: new SdError('SD_ABORTED', 'left'), sent: true }, undefined],
    ['an invalid request, never', 20, { error: new SdError('SD_INVALID', 'bad'), sent: false }, undefined],
  ])('%s', async (_, times, outcome, reason) => {
    const [one] = await start(4)
    for (let time = 0; time < times; time++) attempt(one, outcome)
    expect(reasonOf(one)).toBe(reason)
    expect(one?.available).toBe(reason === undefined)
  })

  test.each<[string, number, Partial<Outcome>]>([
    ['connection failed', 1, { error: refused, sent: false }],
    ['no response in time', 1, { error: late, sent: true }],
    ['5 failures in a row without a response', 5, { error: reset, sent: true }],
    ['5 failures in a row', 5, { status: 500, latencyMs: 1 }],
    ['status 503, retry after 2000 ms', 1, { status: 503, latencyMs: 1, retryAfterMs: 2_000 }],
    ['status unknown, retry after 2000 ms', 1, { error: new SdError('SD_UNAVAILABLE', 'busy'), retryAfterMs: 2_000 }],
  ])('reports the reason: %s', async (detail, times, outcome) => {
    const [one] = await start(4)
    for (let time = 0; time < times; time++) attempt(one, outcome)
    expect(one?.blocks[0]?.detail).toBe(detail)
  })

  test('two 429 responses do not, with another response in between', async () => {
    const [one] = await start(4)
    const busy = { ok: true, status: 429, retryAfterMs: 2_000 }
    for (const outcome of [busy, answers, busy]) attempt(one, outcome)
    expect(one?.available).toBe(true)
    attempt(one, busy)
    expect(one?.available).toBe(false)
  })

  test('a timeout does not, if the instance sent another response since the attempt began', async () => {
    const [one] = await start(4)
    await vi.advanceTimersByTimeAsync(10_000)
    one?.responded()
    await vi.advanceTimersByTimeAsync(1_000)
    attempt(one, { error: late }, 5_000)
    expect(one?.available).toBe(true)
    attempt(one, { error: late }, 500)
    expect(one?.available).toBe(false)
  })

  test('five attempts that wait for more than a second do, before their timeout, and a response ends it', async () => {
    const [one, two] = await start(4)
    for (let count = 0; count < 20; count++) one?.acquire()
    await vi.advanceTimersByTimeAsync(900)
    one?.acquire()
    expect(one?.available).toBe(true)
    await vi.advanceTimersByTimeAsync(101)
    one?.acquire()
    // Everything that has arrived is read first.
    expect(one?.available).toBe(true)
    await vi.advanceTimersByTimeAsync(0)
    expect([one?.available, one?.blocks[0]?.detail]).toEqual([false, 'no response for 1001 ms'])
    one?.responded()
    expect(one?.available).toBe(true)
    one?.acquire()
    // One that is always slow, and one whose callers give up.
    two?.release({ ok: true, status: 200, latencyMs: 500 })
    for (let count = 0; count < 50; count++) attempt(two, { error: new SdError('SD_ABORTED', 'left') })
    for (let count = 0; count < 5; count++) two?.acquire()
    await vi.advanceTimersByTimeAsync(4_000)
    two?.acquire()
    await vi.advanceTimersByTimeAsync(0)
    expect([one?.available, two?.available]).toEqual([true, true])
  })

  test('a response that arrived while this process was blocked is read first', async () => {
    const [one] = await start(4)
    for (let count = 0; count < 20; count++) one?.acquire()
    await vi.advanceTimersByTimeAsync(2_000)
    one?.acquire()
    one?.responded()
    await vi.advanceTimersByTimeAsync(0)
    expect(one?.available).toBe(true)
  })

  test('losing against faster attempts does, after five times and half a second without any response', async () => {
    const [one] = await start(4)
    for (let time = 0; time < 6; time++) {
      attempt(one, { error: given, latencyMs: 80 })
    }
    expect(one?.available).toBe(true)
    await vi.advanceTimersByTimeAsync(120)
    attempt(one, { error: given, latencyMs: 80 })
    expect(reasonOf(one)).toBe('unreachable')
  })

  test.each([
    ['fewer than maxFailures times', 4, 1_000, false],
    ['maxFailures times', 5, 1_000, true],
    ['maxFailures times within half a second', 5, 499, false],
  ])('losing against faster attempts %s', async (_, times, durationMs, isOut) => {
    const [one] = await start(4)
    await vi.advanceTimersByTimeAsync(60_000)
    attempt(one, { error: given, latencyMs: 0 })
    await vi.advanceTimersByTimeAsync(durationMs)
    for (let time = 1; time < times; time++) attempt(one, { error: given, latencyMs: 0 })
    expect(one?.available).toBe(!isOut)
  })

  test.each<[string, (endpoint: Endpoint | undefined) => unknown]>([
    ['a success', (endpoint) => attempt(endpoint, answers)],
    ['the head of a response', (endpoint) => endpoint?.responded()],
  ])('losing against faster attempts does not, with %s in between', async (_, tell) => {
    const [one] = await start(4)
    await vi.advanceTimersByTimeAsync(60_000)
    const lose = async (): Promise<void> => {
      for (let time = 0; time < 4; time++) {
        attempt(one, { error: given, latencyMs: 1 })
        await vi.advanceTimersByTimeAsync(300)
      }
    }
    await lose()
    tell(one)
    await vi.advanceTimersByTimeAsync(1)
    await lose()
    expect(one?.available).toBe(true)
    attempt(one, { error: given, latencyMs: 1 })
    expect(one?.available).toBe(false)
  })

  test('an attempt that lost does not, if a response came since it began', async () => {
    const [one] = await start(4, { failureAccrual: { maxFailures: 1 } })
    await vi.advanceTimersByTimeAsync(60_000)
    attempt(one, { error: given, latencyMs: 1 })
    await vi.advanceTimersByTimeAsync(1_000)
    one?.responded()
    attempt(one, { error: given, latencyMs: 5 }, 500)
    expect(one?.available).toBe(true)
  })

  test('a Retry-After of 0 is not one', async () => {
    const [one] = await start(4)
    attempt(one, { status: 503, latencyMs: 1, retryAfterMs: 0 })
    expect(one?.available).toBe(true)
  })

  test('a success between failures does not', async () => {
    const [one] = await start(4)
    for (let time = 0; time < 20; time++) attempt(one, time % 5 === 4 ? answers : { status: 500, latencyMs: 1 })
    expect(one?.available).toBe(true)
  })

  test('nothing does if it is disabled', async () => {
    const [one] = await start(4, { failureAccrual: false })
    for (let time = 0; time < 20; time++) attempt(one, { error: refused, sent: false })
    expect(one?.available).toBe(true)
  })
})

describe('an outage of all instances', () => {
  test('of some seconds leaves no instance out for more than a second longer, however often it was tried', async () => {
    const endpoints = await start(2)
    for (let time = 0; time < 3_000; time += 100) {
      for (const endpoint of endpoints) if (endpoint.available) attempt(endpoint, { error: refused, sent: false })
      await vi.advanceTimersByTimeAsync(100)
    }
    const longestMs = Math.max(...endpoints.map(({ blocks }) => (blocks[0]?.until ?? 0) - Date.now()))
    expect(longestMs).toBeGreaterThan(500)
    expect(longestMs).toBeLessThanOrEqual(4_000)
  })

  test('leaves no timer after close', async () => {
    await start(3)
    await discovery.close()
    const timersOfOthers = vi.getTimerCount()
    discovery = createDiscovery({ source: registry })
    await cluster().ready()
    for (const endpoint of cluster().view.endpoints) attempt(endpoint, { error: refused, sent: false })
    await vi.advanceTimersByTimeAsync(500)
    await discovery.close()
    expect(vi.getTimerCount()).toBe(timersOfOthers)
  })
})

describe('an instance that is out', () => {
  /** Picks the first available endpoint. */
  const first = {
    name: 'first',
    createPicker: ({ endpoints }: { readonly endpoints: readonly Endpoint[] }): Picker => ({
      pick: ({ attempted }) => endpoints.find((one) => one.available && !attempted?.includes(one)),
    }),
  }

  test('is tried by one attempt at a time, with penalties that double from 1 to 30 s, until a response arrives', async () => {
    const endpoints = await start(4)
    const [one] = endpoints
    const balancer = cluster().attach(first)
    attempt(one, { error: refused, sent: false })
    const since = performance.now()
    for (const waitMs of [1_000, 1_100, 2_300, 4_700, 9_500, 19_100, 30_000, 30_000]) {
      await vi.advanceTimersByTimeAsync(waitMs - 1)
      expect([waitMs, isUp(endpoints)]).toEqual([waitMs, '-xxx'])
      await vi.advanceTimersByTimeAsync(1 + 100)
      expect(cluster().view.endpoints).toContain(one)
      expect([balancer.pick({}), balancer.pick({}), balancer.pick({})]).toEqual([one, endpoints[1], endpoints[1]])
      attempt(one, { error: refused, sent: false })
    }
    expect(performance.now() - since).toBe(98_500)
    await vi.advanceTimersByTimeAsync(30_000)
    attempt(one, answers)
    expect([isUp(endpoints), one?.blocks]).toEqual(['xxxx', []])
    attempt(one, { error: refused, sent: false })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(one?.isTrial).toBe(true)
  })

  test('reserves its trial for a repeatable request for one second', async () => {
    const endpoints = await start(4)
    const [one, two] = endpoints
    const balancer = cluster().attach(first)
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(1_100)
    expect([balancer.pick({ repeatable: false }), balancer.pick({ repeatable: true })]).toEqual([two, one])
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(3_100)
    expect(balancer.pick({ repeatable: false })).toBe(one)
  })

  test('is tried again if the pick did not become an attempt, or if the attempt hangs as long as it was out', async () => {
    const [one] = await start(4)
    const balancer = cluster().attach(first)
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(1_100)
    expect([balancer.pick({}), one?.available]).toEqual([one, false])
    await vi.advanceTimersByTimeAsync(50)
    expect(balancer.pick({})).toBe(one)
    one?.acquire()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(one?.available).toBe(false)
    await vi.advanceTimersByTimeAsync(100)
    expect(one?.available).toBe(true)
  })

  test('is tried again a second after its trial lost against a faster attempt, however long it has been failing', async () => {
    const [one] = await start(4)
    attempt(one, { error: refused, sent: false })
    await vi.advanceTimersByTimeAsync(10_000)
    attempt(one, { error: refused, sent: false })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(one?.isTrial).toBe(true)
    await vi.advanceTimersByTimeAsync(30)
    attempt(one, { error: given, latencyMs: 30 })
    expect([one?.isTrial, one?.available]).toEqual([false, false])
    await vi.advanceTimersByTimeAsync(1_000)
    expect([one?.isTrial, one?.available]).toEqual([true, true])
  })

  test('is in again when an attempt in progress gets a response, even an error', async () => {
    const [one] = await start(4)
    attempt(one, { error: late })
    attempt(one, { error: refused, sent: false }, 100)
    expect(one?.available).toBe(false)
    attempt(one, { status: 500, latencyMs: 1 }, 100)
    expect(one?.available).toBe(true)
  })

  test('stays out when it fails again, if it responded all the time', async () => {
    const [one] = await start(4)
    for (let time = 0; time < 6; time++) attempt(one, { status: 500, latencyMs: 1 })
    expect([one?.available, reasonOf(one)]).toEqual([false, 'failing'])
  })

  test('is still due for its trial when an attempt that began earlier fails', async () => {
    const [one] = await start(4)
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(1_100)
    attempt(one, { error: late }, 500)
    expect(one?.isTrial).toBe(true)
    attempt(one, { error: late })
    expect(one?.isTrial).toBe(false)
  })

  test('gets less than a second of the time for repeatable requests only', async () => {
    const [one, two] = await start(4)
    const balancer = cluster().attach(first)
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(1_000)
    await vi.advanceTimersByTimeAsync(999)
    expect(balancer.pick({ repeatable: false })).toBe(two)
    await vi.advanceTimersByTimeAsync(1)
    expect(balancer.pick({ repeatable: false })).toBe(one)
  })

  test.each([
    [0, 750],
    [0.5, 1_000],
    [1, 1_250],
  ])('is out for its penalty, less or more by a quarter at random: %d', async (random, expectedMs) => {
    vi.mocked(Math.random).mockReturnValue(random)
    const [one] = await start(4)
    attempt(one, { error: late })
    await vi.advanceTimersByTimeAsync(expectedMs - 1)
    expect(one?.isTrial).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(one?.isTrial).toBe(true)
  })

  test('that sent Retry-After is not tried sooner in a panic', async () => {
    const endpoints = await start(2)
    for (const endpoint of endpoints) attempt(endpoint, { status: 503, latencyMs: 1, retryAfterMs: 10_000 })
    await vi.advanceTimersByTimeAsync(9_000)
    expect(endpoints.map(({ isTrial }) => isTrial)).toEqual([false, false])
  })

  test('is in again at the head of a response', async () => {
    const [one] = await start(4)
    attempt(one, { error: late })
    one?.responded()
    expect(one?.available).toBe(true)
  })

  test('that sent Retry-After gets no traffic until then, at most 30 s, whatever responses still arrive', async () => {
    const [one] = await start(4)
    attempt(one, { status: 503, retryAfterMs: 3_600_000 })
    attempt(one, answers, 100)
    await vi.advanceTimersByTimeAsync(29_900)
    expect([one?.available, one?.blocks[0]?.detail]).toEqual([false, 'status 503, retry after 3600000 ms'])
    await vi.advanceTimersByTimeAsync(2_000)
    expect(one?.isTrial).toBe(true)
  })

  test('is forgotten when it is removed', async () => {
    const registration = await registry.register(plainSpec('orders', 9))
    const nine = (await start(4)).find(({ instance }) => instance.id === 'orders-9')
    attempt(nine, { error: refused, sent: false })
    await registration.deregister()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(nine?.isTrial).toBe(false)
    expect(discovery.statistics().byService.get('orders')).toMatchObject({ out: 0, instances: 4 })
  })
})

describe('a panic', () => {
  test('does not use unreachable endpoints while one is reachable, but tries them after a tenth of their penalty', async () => {
    const endpoints = await start(4)
    for (const endpoint of endpoints.slice(0, 3)) attempt(endpoint, { error: refused, sent: false })
    expect([isUp(endpoints), cluster().explain().isPanic]).toEqual(['---x', true])
    await vi.advanceTimersByTimeAsync(100)
    expect(endpoints.map(({ isTrial }) => isTrial)).toEqual([true, true, true, false])
  })

  test('uses all endpoints if all are unreachable; one that responds is in at once', async () => {
    const endpoints = await start(3)
    for (const endpoint of endpoints) attempt(endpoint, { error: refused, sent: false })
    expect([isUp(endpoints), cluster().explain().isPanic]).toEqual(['xxx', true])
    for (let time = 0; time < 50; time++) for (const endpoint of endpoints) attempt(endpoint, { error: refused, sent: false })
    attempt(endpoints[1], answers)
    expect(isUp(endpoints)).toBe('-x-')
    await vi.advanceTimersByTimeAsync(100)
    expect(isUp(endpoints)).toBe('xxx')
  })

  test('uses all endpoints if all are unreachable, even with a threshold of 0', async () => {
    const endpoints = await start(3, { panicThreshold: 0 })
    for (const endpoint of endpoints) attempt(endpoint, { error: refused, sent: false })
    expect(isUp(endpoints)).toBe('xxx')
  })

  test('ends a moment after a short fault of all endpoints', async () => {
    const endpoints = await start(4)
    for (let at = 0; at < 500; at += 5) {
      for (const endpoint of endpoints) if (endpoint.available) attempt(endpoint, { status: 503, latencyMs: 1 })
      await vi.advanceTimersByTimeAsync(5)
    }
    expect(isUp(endpoints)).toBe('xxxx')
    for (const endpoint of endpoints) attempt(endpoint, answers)
    expect([isUp(endpoints), cluster().explain().isPanic]).toEqual(['xxxx', false])
  })
})
