import { type ConnectionState, type OperationOptions, type RateLimitDecision, type RateLimiter, SdError } from '@sd/core'
import { assembleRateLimiter, createLocalRateLimit, describeBucket, describeWindow } from '@sd/rate-limit-kit'
import { type RedisRateLimiterOptions, resolveRedisRateLimiterOptions } from './options.ts'
import { openConnection, replyCode } from './redis-connection.ts'
import { bucketScript, type Script, windowScript } from './scripts.ts'

/** A rate limiter whose limits are shared by all processes that use the same Redis. */
export interface RedisRateLimiter extends RateLimiter {
  /** Current state of the connection. */
  readonly state: ConnectionState
  /**
   * Sends a PING to Redis, regardless of `whenUnavailable`, for start-up and health checks.
   *
   * @throws SdError if there is no reply
   */
  ping(options?: OperationOptions): Promise<void>
}

/** Maximum random addition to a wait, because other processes wait for the same units. */
const JITTER_MS = 20

/**
 * Creates a rate limiter in Redis. It connects at once, and reconnects automatically.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRedisRateLimiter(options: RedisRateLimiterOptions): RedisRateLimiter {
  const checked = resolveRedisRateLimiterOptions(options)
  const { name, rule, prefix, whenUnavailable } = checked
  const local = createLocalRateLimit(checked.localRule, checked.maxLocalKeys)
  const windowUs = String(rule.windowMs * 1000)

  async function takeFromSharedBucket(key: string, cost: number, signal: AbortSignal | undefined): Promise<RateLimitDecision> {
    const values = [String(rule.limit), windowUs, String(rule.burst), String(cost)]
    const [allowed, level] = await evaluate(bucketScript, `${prefix}:bucket:${key}`, values, signal)
    return describeBucket(rule, allowed === 1, Number(level), cost)
  }
  async function takeFromSharedWindow(key: string, cost: number, signal: AbortSignal | undefined): Promise<RateLimitDecision> {
    // State with segments of another length can't be read, so it has another key.
    const values = [String(rule.limit), windowUs, String(cost)]
    const reply = await evaluate(windowScript, `${prefix}:window-${rule.windowMs}:${key}`, values, signal)
    const state = String(reply[2]).split(' ').filter(Boolean).map(Number)
    return describeWindow(rule, reply[0] === 1, state, cost, Number(reply[1]) / 1000)
  }
  const ask = rule.algorithm === 'gcra' ? takeFromSharedBucket : takeFromSharedWindow

  async function evaluate(
    { sha, text }: Script,
    key: string,
    values: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    const rest = ['1', key, ...values]
    try {
      return (await connection.send(['EVALSHA', sha, ...rest], { signal })) as readonly unknown[]
    } catch (error) {
      // A restarted server has lost its scripts.
      if (replyCode(error) !== 'NOSCRIPT') throw error
      return (await connection.send(['EVAL', text, ...rest], { signal })) as readonly unknown[]
    }
  }

  function decideAlone(key: string, cost: number, error: unknown): RateLimitDecision {
    if (whenUnavailable === 'closed') throw error
    if (whenUnavailable === 'local') {
      return { ...local.take(key, Math.min(cost, checked.localRule.burst)), degraded: 'local' }
    }
    return { ...describeBucket(rule, true, 0, 0), degraded: 'open' }
  }

  const limiter = assembleRateLimiter({
    name,
    burst: rule.burst,
    maxWaiting: options.maxWaiting,
    maxWaitMs: options.maxWaitMs,
    jitterMs: JITTER_MS,
    async take(key, cost, signal) {
      try {
        return await ask(key, cost, signal)
      } catch (error) {
        if (error instanceof SdError && (error.code === 'SD_ABORTED' || error.code === 'SD_CLOSED')) throw error
        return decideAlone(key, cost, error)
      }
    },
    close: () => connection.close(),
  })
  // Last, because from here on there is a connection to close.
  const connection = openConnection(checked)

  return {
    ...limiter,
    get state() {
      return connection.state
    },
    async ping(pingOptions) {
      await connection.send(['PING'], pingOptions)
    },
    [Symbol.asyncDispose]: () => limiter.close(),
  }
}
