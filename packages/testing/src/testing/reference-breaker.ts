import { assembleCircuitBreaker, type CircuitEngine } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions, Outcome, Permit } from '@sd/core'

/** Ways in which the reference can be broken, to see whether the contract notices. */
export type BreakerMutation =
  | 'none'
  | 'opens above the threshold only'
  | 'judges too early'
  | 'forgets the time window'
  | 'lets one trial through'
  | 'lets every trial through'
  | 'never tries'
  | 'counts ignored outcomes as successes'
  | 'counts ignored outcomes as failures'
  | 'takes late results'
  | 'settles twice'
  | 'keeps the window after recovery'
  | 'recovers at once'
  | 'sees no slow calls'
  | 'sticks to hung trials'
  | 'ignores the limit'
  | 'counts aborted calls'
  | 'falls back never'
  | 'falls back for ignored errors'
  | 'keeps every result'
  | 'leaves isolation by itself'
  | 'goes on with the old open time'
  | 'never waits longer'
  | 'waits long at once'
  | 'tells nobody'
  | 'goes on telling'

/** Mutations that are but other options. */
const changedOptions: Partial<Record<BreakerMutation, (options: CircuitBreakerOptions) => CircuitBreakerOptions>> = {
  'opens above the threshold only': (options) => ({ ...options, failureRate: Math.min(1, (options.failureRate ?? 0.5) + 0.001) }),
  'judges too early': (options) => ({ ...options, minimumCalls: 1 }),
  'forgets the time window': (options) => ({ ...options, window: { kind: 'count', size: 100 } }),
  'lets one trial through': (options) => ({ ...options, trials: 1 }),
  'counts ignored outcomes as failures': (options) => ({ ...options, isIgnored: () => false }),
  'recovers at once': (options) => ({ ...options, recoveryMs: 0 }),
  'waits long at once': (options) => ({ ...options, openMs: options.maxOpenMs ?? 5_000 }),
  'sees no slow calls': ({ slowCallMs: _, ...options }) => options,
  'sticks to hung trials': (options) => ({ ...options, trialTimeoutMs: 2_147_483_647 }),
  'ignores the limit': ({ timeoutMs: _, ...options }) => options,
  'keeps every result': (options) => ({ ...options, maxLastSuccesses: 1_000 }),
}

/** Mutations that change a breaker from outside. */
const changedBreakers: Partial<Record<BreakerMutation, (breaker: CircuitBreaker) => Partial<CircuitBreaker>>> = {
  'lets every trial through': (breaker) => ({
    tryAcquire: () => breaker.tryAcquire() ?? (breaker.state === 'half-open' ? { settle() {} } : undefined),
  }),
  'counts ignored outcomes as successes': (breaker) => ({
    tryAcquire: () => changedPermit(breaker, (permit, outcome) => permit.settle(outcome.error ? { ok: true } : outcome)),
  }),
  'takes late results': (breaker) => ({
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
  'counts aborted calls': (breaker) => ({
    execute: (work, { signal: _, ...options } = {}) => breaker.execute(work, options),
  }),
  'falls back never': (breaker) => ({
    execute: (work, { fallback: _, ...options } = {}) => breaker.execute(work, options),
  }),
  'falls back for ignored errors': (breaker) => ({
    execute: (work, { fallback, ...options } = {}) =>
      breaker.execute(work, { ...options, ...(fallback && { fallback }) }).catch((error: unknown) => {
        if (fallback?.kind === 'value') return fallback.value
        throw error
      }),
  }),
  'tells nobody': () => ({ onStateChange: () => () => undefined }),
  'goes on telling': (breaker) => ({
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

/** The simplest breaker that keeps the contract, unless it is broken on purpose: its engine is a timer. */
export function createReferenceBreaker(options: CircuitBreakerOptions, mutation: BreakerMutation = 'none'): CircuitBreaker {
  function createEngine({ onHalfOpen }: { onHalfOpen: () => void }): CircuitEngine {
    let timer: ReturnType<typeof setTimeout> | undefined
    return {
      open(forMs) {
        if (mutation === 'never tries') return
        if (mutation !== 'goes on with the old open time') clearTimeout(timer)
        timer = setTimeout(onHalfOpen, mutation === 'never waits longer' ? (options.openMs ?? forMs) : forMs)
      },
      close: () => clearTimeout(timer),
    }
  }
  const breaker = assembleCircuitBreaker(createEngine, changedOptions[mutation]?.(options) ?? options)
  const changes = changedBreakers[mutation]?.(breaker)
  if (mutation === 'leaves isolation by itself') {
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
