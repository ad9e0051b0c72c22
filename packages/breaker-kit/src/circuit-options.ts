import {
  type CircuitBreakerOptions,
  type CircuitWindowOptions,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  judgeOutcome,
  type Outcome,
} from '@sd/core'
import { type CircuitWindow, createCountWindow, createTimeWindow } from './circuit-window.ts'

/** Validated options with all defaults. */
export interface ResolvedCircuitOptions {
  /** See {@link CircuitBreakerOptions.name}. */
  readonly name: string
  /** The empty window. */
  readonly window: CircuitWindow
  /** See {@link CircuitBreakerOptions.minimumCalls}. */
  readonly minimumCalls: number
  /** See {@link CircuitBreakerOptions.failureRate}. */
  readonly failureRate: number
  /** See {@link CircuitBreakerOptions.slowCallMs}; `Infinity` if no call is slow. */
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

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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

/** A rate of 0 is not allowed: every call would open the circuit. */
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
