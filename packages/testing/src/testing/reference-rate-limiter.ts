import { checkKnownKeys, type RateLimitDecision, type RateLimiter } from '@sd/core'
import {
  assembleRateLimiter,
  checkRateLimit,
  createLocalRateLimit,
  type LocalRateLimit,
  type RateLimiterOptions,
  type RateLimitRule,
  rateLimiterKeys,
} from '@sd/rate-limit-kit'
import type { RateLimiterBackend } from '../rate-limiter-contract.ts'

/** Ways to break the reference, to see whether the contract detects it. */
export type RateLimiterMutation =
  | 'none'
  | 'allows one more'
  | 'reads before it takes'
  | 'mixes up keys'
  | 'takes the cost of refused calls'
  | 'takes units for cost 0'
  | 'returns units too early'
  | 'never returns units'
  | 'reports no time'
  | 'forgets the order'
  | 'ignores the signal'
  | 'takes units for aborted calls'
  | 'waits forever'
  | 'has an endless queue'
  | 'works after close'
  | 'keeps waiting calls after close'
  | 'ignores the burst'
  | 'uses fixed windows'
  | 'shows the key'

/** Creates the simplest limiters that meet the contract, unless they are broken on purpose. */
export function createReferenceRateLimiters(mutation: RateLimiterMutation = 'none'): RateLimiterBackend {
  return { open: async (options) => openLimiter(options, mutation), dispose: async () => undefined }
}

function openLimiter(options: RateLimiterOptions, mutation: RateLimiterMutation): RateLimiter {
  checkKnownKeys('', options, rateLimiterKeys)
  const rule = checkRateLimit(options)
  const name = 'reference'
  const { burst } = rule
  const take = createTake(rule, mutation)
  const isEndless = mutation === 'waits forever'
  const limiter = assembleRateLimiter({
    name,
    burst,
    take,
    maxWaiting: mutation === 'has an endless queue' ? 1_000_000 : options.maxWaiting,
    maxWaitMs: isEndless ? 1_000_000_000 : options.maxWaitMs,
  })
  const takeNewest = serveNewestFirst(take)
  let closed = false
  return {
    ...limiter,
    async acquire(key, acquireOptions = {}) {
      if (mutation === 'shows the key' && String(key).includes('secret')) {
        await limiter.acquire(key).catch((error: Error) => {
          error.message += key
          throw error
        })
      }
      if (closed && mutation === 'works after close') return take(key, 1)
      if (mutation === 'forgets the order' && acquireOptions.wait) return takeNewest(key)
      if (mutation === 'ignores the signal') return limiter.acquire(key, { ...acquireOptions, signal: undefined as never })
      if (mutation === 'takes units for aborted calls' && acquireOptions.signal?.aborted) take(key, 1)
      return limiter.acquire(key, acquireOptions)
    },
    async close() {
      closed = true
      if (mutation !== 'keeps waiting calls after close') await limiter.close()
    },
  }
}

/** Serves the newest call first. */
function serveNewestFirst(take: (key: string, cost: number) => Decided): (key: string) => Promise<RateLimitDecision> {
  const waiting: { readonly key: string; readonly serve: (decision: RateLimitDecision) => void }[] = []
  async function serveAll(): Promise<void> {
    for (let newest = waiting.at(-1); newest; newest = waiting.at(-1)) {
      const decision = await take(newest.key, 1)
      if (decision.allowed) waiting.pop()?.serve(decision)
      else await new Promise((resolve) => setTimeout(resolve, decision.retryAfterMs))
    }
  }
  return (key) =>
    new Promise((resolve) => {
      if (waiting.push({ key, serve: resolve }) === 1) void serveAll()
    })
}

type Decided = RateLimitDecision | Promise<RateLimitDecision>

/** Creates the function that takes units, possibly broken. */
function createTake(rule: RateLimitRule, mutation: RateLimiterMutation): (key: string, cost: number) => Decided {
  const { take } = createLocalRateLimit(mutateRule(rule, mutation), 1_000)
  const fixed = new Map<string, { readonly startedAt: number; used: number }>()
  return (key, cost) => {
    switch (mutation) {
      case 'mixes up keys':
        return take(key.slice(0, 1), cost)
      case 'takes units for cost 0':
        return take(key, Math.max(1, cost))
      case 'reports no time':
        return { ...take(key, cost), retryAfterMs: 0 }
      case 'takes the cost of refused calls': {
        const decision = take(key, cost)
        return decision.allowed
          ? decision
          : { ...take(key, decision.remaining), allowed: false, retryAfterMs: decision.retryAfterMs }
      }
      case 'reads before it takes':
        return lookFirst(take, key, cost)
      case 'uses fixed windows': {
        const now = performance.now()
        const startedAt = now - (now % rule.windowMs)
        const before = fixed.get(key)
        const window = before?.startedAt === startedAt ? before : { startedAt, used: 0 }
        fixed.set(key, window)
        const allowed = window.used + cost <= rule.limit
        if (allowed) window.used += cost
        const resetMs = Math.ceil(startedAt + rule.windowMs - now)
        const remaining = rule.limit - window.used
        return { allowed, limit: rule.limit, remaining, windowMs: rule.windowMs, resetMs, retryAfterMs: allowed ? 0 : resetMs }
      }
      default:
        return take(key, cost)
    }
  }
}

function mutateRule(rule: RateLimitRule, mutation: RateLimiterMutation): RateLimitRule {
  if (mutation === 'allows one more') return { ...rule, limit: rule.limit + 1, burst: rule.burst + 1 }
  if (mutation === 'ignores the burst') return { ...rule, burst: rule.limit }
  if (mutation === 'returns units too early') return { ...rule, windowMs: rule.windowMs / 2 }
  if (mutation === 'never returns units') return { ...rule, windowMs: rule.windowMs * 100_000 }
  return rule
}

/** Reads and takes in two steps, so that concurrent calls see the same units. */
async function lookFirst(take: LocalRateLimit['take'], key: string, cost: number): Promise<RateLimitDecision> {
  const { remaining } = take(key, 0)
  await new Promise((resolve) => setTimeout(resolve, 1))
  return { ...take(key, cost), allowed: remaining >= cost }
}
