import { type CircuitWindow, createCountWindow, createTimeWindow } from './circuit-window.ts'
import { judgeOutcome, type Outcome } from './outcome.ts'
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
} from './validate.ts'

/** Which calls a closed circuit judges by. */
export type CircuitWindowOptions =
  | {
      /** The last calls, however long ago. */
      readonly kind: 'count'
      /** How many calls, from 1 to 100,000. @default 100 */
      readonly size?: number
    }
  | {
      /** The calls of the last time. */
      readonly kind: 'time'
      /** How long, in milliseconds, at least 10; calls are forgotten in steps of a tenth. @default 60_000 */
      readonly durationMs?: number
    }

/**
 * Options of every circuit breaker. Defaults are those of Resilience4j where it has them, but for the open time: it asks again soon, and waits
 * longer only as an outage lasts.
 */
export interface CircuitBreakerOptions {
  /** Name for logs, metrics and messages. @default 'breaker' */
  readonly name?: string
  /** Which calls it judges by. @default the last 100 calls */
  readonly window?: CircuitWindowOptions
  /** Calls that must be in the window before it judges, from 1 to the size of a count window. @default 100, or the size if that is less */
  readonly minimumCalls?: number
  /** Share of failed calls at which it opens, that share included; above 0, at most 1. @default 0.5 */
  readonly failureRate?: number
  /** A call that takes longer is slow, in milliseconds; by `latencyMs` of its outcome, else from acquire to settle. @default none is slow */
  readonly slowCallMs?: number
  /** Share of slow calls at which it opens, that share included; above 0, at most 1. @default 1 */
  readonly slowCallRate?: number
  /** Shortest time that it stays open before trials, in milliseconds: it is a tenth of the time since it opened first, within this and `maxOpenMs`. @default 100 */
  readonly openMs?: number
  /** Longest time that it stays open before trials, in milliseconds, at least `openMs`. @default 10_000, or `openMs` if that is more */
  readonly maxOpenMs?: number
  /** Calls that are let through while half-open, from 1 to 1,000; the thresholds decide over them as over the window. @default 10 */
  readonly trials?: number
  /**
   * When no trial ended for so long, the unsettled ones count as failed; in milliseconds. Before that, those that hang for as long as the circuit was
   * open are replaced by others. @default 60_000
   */
  readonly trialTimeoutMs?: number
  /**
   * After trials went well, the share of calls that are let through grows from a tenth to all: in a tenth of the time that the outage took, and in this time at
   * most, in milliseconds. @default 0
   */
  readonly recoveryMs?: number
  /** Outcomes that count neither as success nor as failure. @default those that `judgeOutcome` finds neutral: of the caller's or this process's own doing */
  readonly isIgnored?: (outcome: Outcome) => boolean
  /** Limit of each call through `execute`, in milliseconds; longer ones fail. @default no limit */
  readonly timeoutMs?: number
  /** Results kept for `last-success` fallbacks; the one not used for longest leaves first; from 1 to 100,000. @default 100 */
  readonly maxLastSuccesses?: number
  /** Source of randomness in [0, 1): an open time is shortened by up to a tenth. @default Math.random */
  readonly random?: () => number
}

/** Checked options with all defaults. */
export interface ResolvedCircuitOptions {
  /** See {@link CircuitBreakerOptions.name}. */
  readonly name: string
  /** The empty window. */
  readonly window: CircuitWindow
  /** See {@link CircuitBreakerOptions.minimumCalls}. */
  readonly minimumCalls: number
  /** See {@link CircuitBreakerOptions.failureRate}. */
  readonly failureRate: number
  /** See {@link CircuitBreakerOptions.slowCallMs}; `Infinity` if none is slow. */
  readonly slowCallMs: number
  /** See {@link CircuitBreakerOptions.slowCallRate}. */
  readonly slowCallRate: number
  /** See {@link CircuitBreakerOptions.openMs}. */
  readonly openMs: number
  /** See {@link CircuitBreakerOptions.maxOpenMs}. */
  readonly maxOpenMs: number
  /** See {@link CircuitBreakerOptions.trials}. */
  readonly trials: number
  /** See {@link CircuitBreakerOptions.trialTimeoutMs}. */
  readonly trialTimeoutMs: number
  /** See {@link CircuitBreakerOptions.recoveryMs}. */
  readonly recoveryMs: number
  /** See {@link CircuitBreakerOptions.isIgnored}. */
  readonly isIgnored: (outcome: Outcome) => boolean
  /** See {@link CircuitBreakerOptions.timeoutMs}. */
  readonly timeoutMs: number | undefined
  /** See {@link CircuitBreakerOptions.maxLastSuccesses}. */
  readonly maxLastSuccesses: number
  /** See {@link CircuitBreakerOptions.random}. */
  readonly random: () => number
}

const keys = [
  'name',
  'window',
  'minimumCalls',
  'failureRate',
  'slowCallMs',
  'slowCallRate',
  'openMs',
  'maxOpenMs',
  'trials',
  'trialTimeoutMs',
  'recoveryMs',
  'isIgnored',
  'timeoutMs',
  'maxLastSuccesses',
  'random',
]

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveCircuitOptions(options: CircuitBreakerOptions): ResolvedCircuitOptions {
  checkKnownKeys('', options, keys)
  const { slowCallMs, timeoutMs } = options
  const openMs = checkDuration('openMs', options.openMs ?? 100, 1)
  const { window, largest } = createWindow(options.window ?? { kind: 'count' })
  return {
    name: checkName('name', options.name ?? 'breaker'),
    window,
    minimumCalls: checkInteger('minimumCalls', options.minimumCalls ?? Math.min(100, largest), { min: 1, max: largest }),
    failureRate: checkNumber('failureRate', options.failureRate ?? 0.5, rates),
    slowCallMs: slowCallMs === undefined ? Number.POSITIVE_INFINITY : checkDuration('slowCallMs', slowCallMs),
    slowCallRate: checkNumber('slowCallRate', options.slowCallRate ?? 1, rates),
    openMs,
    maxOpenMs: checkDuration('maxOpenMs', options.maxOpenMs ?? Math.max(10_000, openMs), openMs),
    trials: checkInteger('trials', options.trials ?? 10, { min: 1, max: 1_000 }),
    trialTimeoutMs: checkDuration('trialTimeoutMs', options.trialTimeoutMs ?? 60_000, 1),
    recoveryMs: checkDuration('recoveryMs', options.recoveryMs ?? 0),
    isIgnored: checkFunction('isIgnored', options.isIgnored ?? isNeutral),
    timeoutMs: timeoutMs === undefined ? undefined : checkDuration('timeoutMs', timeoutMs, 1),
    maxLastSuccesses: checkInteger('maxLastSuccesses', options.maxLastSuccesses ?? 100, { min: 1, max: 100_000 }),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

/** Nothing is at a rate of 0: everything would open the circuit. */
const rates = { min: Number.EPSILON, max: 1 } as const

function createWindow(options: CircuitWindowOptions): { readonly window: CircuitWindow; readonly largest: number } {
  checkOneOf('window.kind', checkObject('window', options)['kind'], ['count', 'time'])
  if (options.kind === 'count') {
    checkKnownKeys('window', options, ['kind', 'size'])
    const size = checkInteger('window.size', options.size ?? 100, { min: 1, max: 100_000 })
    return { window: createCountWindow(size), largest: size }
  }
  checkKnownKeys('window', options, ['kind', 'durationMs'])
  const durationMs = checkDuration('window.durationMs', options.durationMs ?? 60_000, 10)
  return { window: createTimeWindow(durationMs), largest: 1_000_000 }
}

function isNeutral(outcome: Outcome): boolean {
  return judgeOutcome(outcome) === 'neutral'
}
