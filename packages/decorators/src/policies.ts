import { acquireOrReject, type CircuitBreaker as Breaker, checkFunction, checkKnownKeys, type RateLimiter } from '@sd/core'
import { type AsyncMethod, createMethodDecorator, type DualMethodDecorator } from './decorator-kinds.ts'

/** Options of {@link CircuitBreaker}. */
export interface CircuitBreakerDecoratorOptions {
  /** Name for logs and metrics. @default the class and the method, such as `Orders.place` */
  readonly name?: string
  /** Returns a value instead of failing: receives the error, then the arguments. @default none */
  readonly fallback?: (error: unknown, ...values: never[]) => unknown
}

/** By object and method: each object has breakers of its own, which end with it. */
const breakers = new WeakMap<object, Map<string, Breaker>>()

/**
 * Runs the method under a circuit breaker of its object's own. It never repeats a call.
 *
 * @param make makes the breaker, such as `createOpossumBreaker`
 * @throws SdError `SD_INVALID` at the definition; the call rejects with `SD_REJECTED` while the circuit is open, if there is no fallback
 */
export function CircuitBreaker(
  make: (options: { readonly name: string }) => Breaker,
  options: CircuitBreakerDecoratorOptions = {},
): DualMethodDecorator<AsyncMethod> {
  checkFunction('make', make)
  checkKnownKeys('', options, ['name', 'fallback'])
  const { fallback } = options
  if (fallback !== undefined) checkFunction('fallback', fallback)
  return createMethodDecorator('CircuitBreaker', ({ name, method }) => {
    return async function guarded(this: object, ...values: unknown[]) {
      const breaker = findBreaker(this, name) ?? keepBreaker(this, name, make({ name: options.name ?? nameOf(this, name) }))
      return breaker.execute(
        () => method.apply(this, values) as Promise<unknown>,
        fallback && { fallback: { kind: 'function', run: (error: unknown) => fallback(error, ...(values as never[])) } },
      )
    }
  })
}

/** The breaker of an object's method with {@link CircuitBreaker}; `undefined` before its first call. */
export function breakerOf(object: object, method: string): Breaker | undefined {
  return findBreaker(object, method)
}

/**
 * Runs the method again after a failure, as a function of your choice says.
 *
 * @param run such as `(work) => retry(work, { maxAttempts: 3 })` of `@sd/retry`. It receives the work, which may be called several times
 * @throws SdError `SD_INVALID` at the definition
 */
export function Retry(run: (work: () => Promise<unknown>) => Promise<unknown>): DualMethodDecorator<AsyncMethod> {
  checkFunction('run', run)
  return createMethodDecorator('Retry', ({ method }) => {
    return async function repeated(this: object, ...values: unknown[]) {
      return run(() => method.apply(this, values) as Promise<unknown>)
    }
  })
}

/** Options of {@link RateLimit}. */
export interface RateLimitDecoratorOptions {
  /** What is limited by itself, such as a user: made of the arguments. @default the class and the method: one limit for all calls */
  readonly key?: (...values: never[]) => string
}

/**
 * Limits how often the method runs.
 *
 * @param limiter made once and shared, such as `createMemoryRateLimiter({ limit: 10, windowMs: 1_000 })`; you close it
 * @throws SdError `SD_INVALID` at the definition; the call rejects with `SD_REJECTED` over the limit
 */
export function RateLimit(limiter: RateLimiter, options: RateLimitDecoratorOptions = {}): DualMethodDecorator<AsyncMethod> {
  checkFunction('limiter.acquire', (limiter as Partial<RateLimiter> | undefined)?.acquire as () => unknown)
  checkKnownKeys('', options, ['key'])
  const { key } = options
  if (key !== undefined) checkFunction('key', key)
  return createMethodDecorator('RateLimit', ({ name, method }) => {
    return async function limited(this: object, ...values: unknown[]) {
      await acquireOrReject(limiter, key ? key(...(values as never[])) : nameOf(this, name))
      return method.apply(this, values)
    }
  })
}

function findBreaker(object: object, method: string): Breaker | undefined {
  return breakers.get(object)?.get(method)
}

function keepBreaker(object: object, method: string, breaker: Breaker): Breaker {
  const own = breakers.get(object) ?? new Map<string, Breaker>()
  breakers.set(object, own.set(method, breaker))
  return breaker
}

/** Also of a static method, whose object is the class. */
function nameOf(object: object, method: string): string {
  return `${typeof object === 'function' ? object.name : object.constructor.name}.${method}`
}
