import {
  abortError,
  BoundedMap,
  type CircuitBreaker,
  type CircuitFallback,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  type ExecuteOptions,
  type Outcome,
  SdError,
  withTimeout,
} from '@sd/core'
import type { ResolvedCircuitOptions } from './circuit-options.ts'

/** Result of a call and its time. */
interface LastSuccess {
  readonly value: unknown
  readonly at: number
}

/** The circuit as `execute` uses it: a permit as two functions, because an object per call has a cost. */
export interface CircuitAdmission<Admission> {
  /** Admits a call, or returns `undefined`. */
  admit(): Admission | undefined
  /** Ends an admitted call. @param admittedIn the result of `admit` */
  settle(admittedIn: Admission, outcome: Outcome, elapsedMs: number): void
}

const success: Outcome = { ok: true }

/**
 * For work that declares no parameter but may still read its arguments: a signal per call would cost more than the rest
 * of the call.
 */
const neverFires = new AbortController().signal

/** Creates the `execute` function of a breaker. */
export function createExecute<Admission>(
  options: ResolvedCircuitOptions,
  circuit: CircuitAdmission<Admission>,
): CircuitBreaker['execute'] {
  const { name, timeoutMs, slowCallMs, isIgnored, maxLastSuccesses } = options
  const isTimed = slowCallMs < Number.POSITIVE_INFINITY
  const lastSuccesses = new BoundedMap<string, LastSuccess>({ maxEntries: maxLastSuccesses })

  function fallBack<T>(fallback: CircuitFallback<T>, error: unknown): T | Promise<T> {
    if (fallback.kind === 'value') return fallback.value
    if (fallback.kind === 'function') return fallback.run(error)
    const { key, maxAgeMs = Number.POSITIVE_INFINITY } = fallback
    const found = lastSuccesses.get(key)
    if (found === undefined || performance.now() - found.at > maxAgeMs) throw error
    return found.value as T
  }

  return async function execute<T>(work: (signal: AbortSignal) => Promise<T> | T, given?: ExecuteOptions<T>): Promise<T> {
    checkExecuteOptions(work, given)
    const fallback = given?.fallback
    const signal = given?.signal
    if (signal?.aborted) throw abortError(signal, `call through ${name}`)
    const admittedIn = circuit.admit()
    if (admittedIn === undefined) {
      const error = new SdError('SD_REJECTED', `${name} refused the call`)
      if (fallback) return fallBack(fallback, error)
      throw error
    }
    const startedAt = isTimed ? performance.now() : 0
    let value: T
    try {
      value = await run(work, signal, timeoutMs, name)
    } catch (error) {
      const elapsedMs = isTimed ? performance.now() - startedAt : 0
      const outcome = { ok: false, error }
      circuit.settle(admittedIn, outcome, elapsedMs)
      if (fallback && !signal?.aborted && !isIgnored(outcome)) return fallBack(fallback, error)
      throw error
    }
    circuit.settle(admittedIn, success, isTimed ? performance.now() - startedAt : 0)
    if (fallback?.kind === 'last-success') lastSuccesses.set(fallback.key, { value, at: performance.now() })
    return value
  }
}

function run<T>(
  work: (signal: AbortSignal) => Promise<T> | T,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  name: string,
): Promise<T> | T {
  if (signal === undefined && timeoutMs === undefined && work.length === 0) return work(neverFires)
  return withTimeout({ timeoutMs, signal, what: `call through ${name}` }, async (own) => work(own))
}

function checkExecuteOptions(work: unknown, options: ExecuteOptions<unknown> | undefined): void {
  checkFunction('work', work as () => unknown)
  if (options === undefined) return
  checkKnownKeys('', options, ['signal', 'fallback'])
  const { fallback } = options
  if (fallback === undefined) return
  checkOneOf('fallback.kind', checkObject('fallback', fallback)['kind'], ['value', 'function', 'last-success'])
  if (fallback.kind === 'function') checkFunction('fallback.run', fallback.run)
  if (fallback.kind !== 'last-success') return
  checkName('fallback.key', fallback.key, 4_096)
  if (fallback.maxAgeMs !== undefined) checkDuration('fallback.maxAgeMs', fallback.maxAgeMs)
}
