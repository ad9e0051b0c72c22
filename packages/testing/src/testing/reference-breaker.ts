import { assembleCircuitBreaker, type CircuitEngine } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions, Outcome, Permit } from '@sd/core'

/** Ways to break the reference, to see whether the contract detects it. */
export type BreakerMutation =
  | 'none'
  | 'opens only above the threshold'
  | 'opens too early'
  | 'ignores the time window'
  | 'permits one trial'
  | 'permits every trial'
  | 'never becomes half-open'
  | 'records ignored outcomes as successes'
  | 'records ignored outcomes as failures'
  | 'accepts late results'
  | 'settles twice'
  | 'keeps the window after recovery'
  | 'recovers at once'
  | 'ignores slow calls'
  | 'keeps hung trials'
  | 'ignores the time limit'
  | 'records aborted calls'
  | 'never uses the fallback'
  | 'uses the fallback for ignored errors'
  | 'keeps every result'
  | 'leaves isolation on its own'
  | 'keeps the old open time'
  | 'never extends the open time'
  | 'starts with a long open time'
  | 'calls no listener'
  | 'calls removed listeners'

/** Mutations that only change the options. */
const changedOptions: Partial<Record<BreakerMutation, (options: CircuitBreakerOptions) => CircuitBreakerOptions>> = {
  'opens only above the threshold': (options) => ({ ...options, failureRate: Math.min(1, (options.failureRate ?? 0.5) + 0.001) }),
  'opens too early': (options) => ({ ...options, minimumCalls: 1 }),
  'ignores the time window': (options) => ({ ...options, window: { kind: 'count', size: 100 } }),
  'permits one trial': (options) => ({ ...options, trials: 1 }),
  'records ignored outcomes as failures': (options) => ({ ...options, isIgnored: () => false }),
  'recovers at once': (options) => ({ ...options, recoveryMs: 0 }),
  'starts with a long open time': (options) => ({ ...options, openMs: options.maxOpenMs ?? 5_000 }),
  'ignores slow calls': ({ slowCallMs: _, ...options }) => options,
  'keeps hung trials': (options) => ({ ...options, trialTimeoutMs: 2_147_483_647 }),
  'ignores the time limit': ({ timeoutMs: _, ...options }) => options,
  'keeps every result': (options) => ({ ...options, maxLastSuccesses: 1_000 }),
}

/** Mutations that wrap a breaker. */
const changedBreakers: Partial<Record<BreakerMutation, (breaker: CircuitBreaker) => Partial<CircuitBreaker>>> = {
  'permits every trial': (breaker) => ({
    tryAcquire: () => breaker.tryAcquire() ?? (breaker.state === 'half-open' ? { settle() {} } : undefined),
  }),
  'records ignored outcomes as successes': (breaker) => ({
    tryAcquire: () => changedPermit(breaker, (permit, outcome) => permit.settle(outcome.error ? { ok: true } : outcome)),
  }),
  'accepts late results': (breaker) => ({
    tryAcquire: () =>
      changedPermit(breaker, (permit, outcome) => {
        if (outcome.ok && breaker.state === 'half-open') breaker.close()
        permit.settle(outcome)
      }),
  }),
  'settles twice': (breaker) => ({
    tryAcquire: () =>
      changedPermit(breaker, (permit, outcome) => [permit, breaker.tryAcquire()].map((one) => one?.settle(outcome))),
  }),
  'records aborted calls': (breaker) => ({
    execute: (work, { signal: _, ...options } = {}) => breaker.execute(work, options),
  }),
  'never uses the fallback': (breaker) => ({
    execute: (work, { fallback: _, ...options } = {}) => breaker.execute(work, options),
  }),
  'uses the fallback for ignored errors': (breaker) => ({
    execute: (work, { fallback, ...options } = {}) =>
      breaker.execute(work, { ...options, ...(fallback && { fallback }) }).catch((error: unknown) => {
        if (fallback?.kind === 'value') return fallback.value
        throw error
      }),
  }),
  'calls no listener': () => ({ onStateChange: () => () => undefined }),
  'calls removed listeners': (breaker) => ({
    onStateChange(listener) {
      breaker.onStateChange(listener)
      return () => undefined
    },
  }),
}

function changedPermit(breaker: CircuitBreaker, settle: (permit: Permit, outcome: Outcome) => void): Permit | undefined {
  const permit = breaker.tryAcquire()
  return permit && { settle: (outcome) => settle(permit, outcome) }
}

/** Creates the simplest breaker that meets the contract, unless it is broken on purpose. Its engine is a timer. */
export function createReferenceBreaker(options: CircuitBreakerOptions, mutation: BreakerMutation = 'none'): CircuitBreaker {
  function createEngine({ onHalfOpen }: { onHalfOpen: () => void }): CircuitEngine {
    let timer: ReturnType<typeof setTimeout> | undefined
    return {
      open(forMs) {
        if (mutation === 'never becomes half-open') return
        if (mutation !== 'keeps the old open time') clearTimeout(timer)
        timer = setTimeout(onHalfOpen, mutation === 'never extends the open time' ? (options.openMs ?? forMs) : forMs)
      },
      close: () => clearTimeout(timer),
    }
  }
  const breaker = assembleCircuitBreaker({ createEngine, options: changedOptions[mutation]?.(options) ?? options })
  const changes = changedBreakers[mutation]?.(breaker)
  if (mutation === 'leaves isolation on its own') {
    breaker.onStateChange(({ state }) => {
      if (state === 'isolated') setTimeout(() => breaker.close(), options.openMs)
    })
  }
  if (mutation === 'keeps the window after recovery') {
    breaker.onStateChange(({ reason }) => {
      if (reason !== 'recovered') return
      for (let call = 1; call < (options.minimumCalls ?? 100); call++) breaker.tryAcquire()?.settle({ ok: false })
    })
  }
  if (!changes) return breaker
  return {
    name: breaker.name,
    get state() {
      return breaker.state
    },
    tryAcquire: breaker.tryAcquire,
    execute: breaker.execute,
    open: breaker.open,
    close: breaker.close,
    isolate: breaker.isolate,
    onStateChange: breaker.onStateChange,
    ...changes,
  }
}
