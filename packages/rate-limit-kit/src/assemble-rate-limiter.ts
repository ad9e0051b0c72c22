import {
  abortError,
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  closedError,
  hasTelemetrySubscribers,
  invalidError,
  publishTelemetry,
  type RateLimitAcquireOptions,
  type RateLimitDecision,
  type RateLimiter,
  SdError,
  sleep,
  withAnySignal,
  withTimeout,
} from '@sd/core'

/** What an adapter implements; {@link assembleRateLimiter} adds validation, waiting and closing. */
export interface RateLimiterAdapter {
  /** Name for messages. */
  readonly name: string
  /** The user's option. @default 1_000 */
  readonly maxWaiting?: number | undefined
  /** The user's option. @default 30_000 */
  readonly maxWaitMs?: number | undefined
  /** Maximum cost. */
  readonly burst: number
  /** Takes the units, or none if there are too few. Called once per attempt. */
  readonly take: (key: string, cost: number, signal: AbortSignal | undefined) => Promise<RateLimitDecision> | RateLimitDecision
  /** Takes the units synchronously, if no backend is involved. @default only `take` */
  readonly takeNow?: ((key: string, cost: number) => RateLimitDecision) | undefined
  /**
   * Upper limit of a random addition to each wait, in milliseconds, for several processes that wait for the same key.
   * @default 0
   */
  readonly jitterMs?: number
  /** Closes the connection. Called once. @default nothing to close */
  readonly close?: () => Promise<void>
}

/**
 * Creates a limiter: validation, waiting per key in order of arrival, and closing. @throws SdError `SD_INVALID` that
 * names the option
 */
export function assembleRateLimiter(adapter: RateLimiterAdapter): RateLimiter {
  const name = checkName('name', adapter.name)
  const maxWaiting = checkInteger('maxWaiting', adapter.maxWaiting ?? 1_000, { min: 0, max: 1_000_000 })
  const maxWaitMs = checkDuration('maxWaitMs', adapter.maxWaitMs ?? 30_000, 1)
  const { take, takeNow, burst, jitterMs = 0 } = adapter
  const closing = new AbortController()
  /** Waiting calls by key, in order of arrival; the first in each queue goes next. */
  const queues = new Map<string, Set<() => void>>()
  let waiting = 0
  let closed: Promise<void> | undefined

  function tooLong(): SdError {
    return new SdError('SD_REJECTED', `${name}: rate limit exceeded, and the wait would be longer than ${maxWaitMs} ms`)
  }

  async function takeInTurn(key: string, cost: number, deadlineAt: number, signal: AbortSignal): Promise<RateLimitDecision> {
    for (;;) {
      const decision = await take(key, cost, signal)
      if (decision.allowed) return decision
      if (performance.now() + decision.retryAfterMs > deadlineAt) throw tooLong()
      await sleep(decision.retryAfterMs + Math.random() * jitterMs, signal, true)
    }
  }

  async function wait(key: string, cost: number, signal: AbortSignal | undefined): Promise<RateLimitDecision> {
    if (waiting >= maxWaiting) {
      const decision = queues.has(key) ? undefined : await take(key, cost, signal)
      if (decision?.allowed) return decision
      throw new SdError('SD_REJECTED', `${name}: rate limit exceeded, and ${waiting} calls are already waiting`)
    }
    const queue = queues.get(key) ?? new Set()
    queues.set(key, queue)
    const { promise: turn, resolve: start } = Promise.withResolvers<void>()
    queue.add(start)
    waiting++
    callFirst(queue)
    const deadlineAt = performance.now() + maxWaitMs
    let limited: AbortSignal | undefined
    try {
      return await withAnySignal([signal, closing.signal], (either) =>
        withTimeout({ timeoutMs: maxWaitMs, what: name, signal: either }, async (own) => {
          limited = own
          await turn
          // A call that gave up in the queue must not take units when its turn comes.
          own.throwIfAborted()
          return takeInTurn(key, cost, deadlineAt, own)
        }),
      )
    } catch (error) {
      if (closing.signal.aborted) throw closedError(name)
      // A limit of the backend has the same code.
      const isOver = error instanceof SdError && error.code === 'SD_TIMEOUT' && error === limited?.reason
      throw isOver ? tooLong() : error
    } finally {
      waiting--
      queue.delete(start)
      if (queue.size === 0) queues.delete(key)
      else callFirst(queue)
    }
  }

  function publish(decision: RateLimitDecision): RateLimitDecision {
    if (hasTelemetrySubscribers('sd:v1:rate-limit:decision'))
      publishTelemetry('sd:v1:rate-limit:decision', { limiter: name, decision })
    return decision
  }

  return {
    name,
    async acquire(key, options = {}) {
      const { cost, mayWait, signal } = checkAcquire(key, options, burst)
      if (closing.signal.aborted) throw closedError(name)
      if (signal?.aborted) throw abortError(signal, name)
      return publish(await (mayWait ? wait(key, cost, signal) : take(key, cost, signal)))
    },
    ...(takeNow && {
      tryAcquire(key: string, options: RateLimitAcquireOptions = {}) {
        const { cost } = checkAcquire(key, options, burst)
        if (closing.signal.aborted) throw closedError(name)
        return publish(takeNow(key, cost))
      },
    }),
    close() {
      closing.abort()
      closed ??= (async () => adapter.close?.())()
      return closed
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

function callFirst(queue: ReadonlySet<() => void>): void {
  const [first] = queue
  first?.()
}

interface CheckedAcquire {
  readonly cost: number
  readonly mayWait: boolean
  readonly signal: AbortSignal | undefined
}

function checkAcquire(key: string, options: RateLimitAcquireOptions, burst: number): CheckedAcquire {
  // The key is not shown, because it may be a secret such as an API key.
  if (typeof key !== 'string') throw invalidError('key', typeof key, 'a string')
  if (key.length === 0 || key.length > 512 || !key.isWellFormed()) {
    throw invalidError('key', `${key.length} characters`, '1 to 512 characters of well-formed Unicode')
  }
  checkKnownKeys('', options, ['cost', 'wait', 'signal'])
  return {
    cost: checkInteger('cost', options.cost ?? 1, { min: 0, max: burst }),
    mayWait: checkBoolean('wait', options.wait ?? false),
    signal: options.signal,
  }
}
