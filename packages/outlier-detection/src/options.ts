import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  judgeOutcome,
  MAX_DURATION_MS,
  type Outcome,
} from '@sd/core'

/** A host is out if its success rate is far below that of the others. */
export interface SuccessRateRule {
  /** How many standard deviations below the mean are too many, from 0. @default 1.9 (Envoy) */
  readonly stdevFactor?: number
  /** Fewest hosts with enough requests to compare with, from 2. @default 5 (Envoy) */
  readonly minHosts?: number
  /** Fewest requests of a host in an interval, from 1. @default 100 (Envoy) */
  readonly minRequests?: number
}

/** A host is out if too many of its requests fail, whatever the others do. */
export interface FailurePercentageRule {
  /** How many percent are too many, from 1 to 100. @default 85 (Envoy) */
  readonly threshold?: number
  /** Fewest hosts with enough requests, from 1. @default 5 (Envoy) */
  readonly minHosts?: number
  /** Fewest requests of a host in an interval, from 1. @default 50 (Envoy) */
  readonly minRequests?: number
}

/** When a host is taken out, and for how long: what `createOutlierDetector` and `createOutlierDetection` have in common. */
export interface OutlierRules {
  /** How many errors in a row take a host out, from 1: 5xx, failed connections, timeouts. @default 5 (Envoy) */
  readonly consecutive5xx?: number | false
  /**
   * How many 502, 503, 504, failed connections and timeouts in a row take a host out, from 1. They are 5xx too, so that a number only makes
   * sense if it is below `consecutive5xx`. @default false (Envoy counts to 5 and does not enforce it)
   */
  readonly consecutiveGatewayErrors?: number | false
  /** Compares the hosts' success rates at the end of each interval. @default {} */
  readonly successRate?: SuccessRateRule | false
  /** Judges each host's failures at the end of each interval. @default false (Envoy does not enforce it) */
  readonly failurePercentage?: FailurePercentageRule | false
  /** Length of an interval, in milliseconds, from 1. @default 10_000 (Envoy) */
  readonly intervalMs?: number
  /**
   * How long a host is out the first time, in milliseconds, from 1: the second time twice as long, and so on. Short at first, because a host
   * that was caught in a blip soon recovers, and one that is not pays with five failures for every return.
   *
   * @default 5_000 (Envoy: 30_000)
   */
  readonly baseEjectionMs?: number
  /** How long a host is out at most, in milliseconds; at least baseEjectionMs. @default 300_000 (Envoy), or baseEjectionMs if that is more */
  readonly maxEjectionMs?: number
  /** Up to so much is added at random, in milliseconds, so that not all clients come back at once. @default 1_000 (Envoy: 0) */
  readonly maxJitterMs?: number
  /**
   * Share of the hosts that may be out at once, from 0 to 1. One may always go, unless it is 0: then none. Discovery has one rule for
   * all reasons by which endpoints are out, at most half of them; a smaller share of its own would leave a second bad host of five in.
   *
   * @default 0.5 (Envoy: 0.1)
   */
  readonly maxEjectedShare?: number
  /**
   * Whether an outcome speaks against the host. Not asked about outcomes that `judgeOutcome` of `@sd/core` finds neutral: they are of the
   * caller's or this process's own doing. @default 5xx, failed connections, timeouts, broken bodies
   */
  readonly isError?: (outcome: Outcome) => boolean
  /** Source of randomness in [0, 1) for jitter. @default Math.random */
  readonly random?: () => number
}

/** Options of `createOutlierDetection`. */
export interface OutlierDetectionOptions extends OutlierRules {
  /** Name for logs and metrics; another one for each monitor of a service. @default 'outlier-detection' */
  readonly name?: string
  /** Time in which a host that is back comes to its full weight, in milliseconds; 0 gives it all of it at once. @default 0 */
  readonly rampMs?: number
}

/** Rules with their defaults filled in. */
export interface ResolvedRules extends Required<Omit<OutlierRules, 'successRate' | 'failurePercentage'>> {
  /** See {@link OutlierRules.successRate}. */
  readonly successRate: Required<SuccessRateRule> | false
  /** See {@link OutlierRules.failurePercentage}. */
  readonly failurePercentage: Required<FailurePercentageRule> | false
}

/** Names of the options in {@link OutlierRules}. */
export const ruleKeys: readonly (keyof OutlierRules)[] = [
  'consecutive5xx',
  'consecutiveGatewayErrors',
  'successRate',
  'failurePercentage',
  'intervalMs',
  'baseEjectionMs',
  'maxEjectionMs',
  'maxJitterMs',
  'maxEjectedShare',
  'isError',
  'random',
]

/** More than anybody waits for: a larger number is a mistake. */
const count = { min: 1, max: 1_000_000 }

/** Checks the rules and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveRules(rules: OutlierRules): ResolvedRules {
  const baseEjectionMs = checkDuration('baseEjectionMs', rules.baseEjectionMs ?? 5_000, 1)
  const maxEjectionMs = checkDuration('maxEjectionMs', rules.maxEjectionMs ?? Math.max(300_000, baseEjectionMs), baseEjectionMs)
  return {
    consecutive5xx: checkConsecutive('consecutive5xx', rules.consecutive5xx ?? 5),
    consecutiveGatewayErrors: checkConsecutive('consecutiveGatewayErrors', rules.consecutiveGatewayErrors ?? false),
    successRate: readSuccessRate(rules.successRate ?? {}),
    failurePercentage: readFailurePercentage(rules.failurePercentage ?? false),
    intervalMs: checkDuration('intervalMs', rules.intervalMs ?? 10_000, 1),
    baseEjectionMs,
    maxEjectionMs,
    maxJitterMs: checkInteger('maxJitterMs', rules.maxJitterMs ?? Math.min(1_000, MAX_DURATION_MS - maxEjectionMs), {
      min: 0,
      max: MAX_DURATION_MS - maxEjectionMs,
    }),
    maxEjectedShare: checkNumber('maxEjectedShare', rules.maxEjectedShare ?? 0.5, { min: 0, max: 1 }),
    isError: checkFunction('isError', rules.isError ?? isFailure),
    random: checkFunction('random', rules.random ?? Math.random),
  }
}

/** The options of the monitor alone. */
export interface ResolvedMonitorOptions {
  /** See {@link OutlierDetectionOptions.name}. */
  readonly name: string
  /** See {@link OutlierDetectionOptions.rampMs}. */
  readonly rampMs: number
}

/** Checks the options of the monitor alone, and that there are no others. @throws SdError `SD_INVALID` that names the option */
export function resolveMonitorOptions(options: OutlierDetectionOptions): ResolvedMonitorOptions {
  checkKnownKeys('', checkObject('options', options), ['name', 'rampMs', ...ruleKeys])
  return {
    name: checkName('name', options.name ?? 'outlier-detection'),
    rampMs: checkDuration('rampMs', options.rampMs ?? 0),
  }
}

function checkConsecutive(field: string, value: number | false): number | false {
  return value === false ? false : checkInteger(field, value, count)
}

function readSuccessRate(rule: SuccessRateRule | false): Required<SuccessRateRule> | false {
  if (rule === false) return false
  checkKnownKeys('successRate', checkObject('successRate', rule), ['stdevFactor', 'minHosts', 'minRequests'])
  return {
    stdevFactor: checkNumber('successRate.stdevFactor', rule.stdevFactor ?? 1.9, { min: 0, max: 100 }),
    minHosts: checkInteger('successRate.minHosts', rule.minHosts ?? 5, { ...count, min: 2 }),
    minRequests: checkInteger('successRate.minRequests', rule.minRequests ?? 100, count),
  }
}

function readFailurePercentage(rule: FailurePercentageRule | false): Required<FailurePercentageRule> | false {
  if (rule === false) return false
  checkKnownKeys('failurePercentage', checkObject('failurePercentage', rule), ['threshold', 'minHosts', 'minRequests'])
  return {
    threshold: checkNumber('failurePercentage.threshold', rule.threshold ?? 85, { min: 1, max: 100 }),
    minHosts: checkInteger('failurePercentage.minHosts', rule.minHosts ?? 5, count),
    minRequests: checkInteger('failurePercentage.minRequests', rule.minRequests ?? 50, count),
  }
}

function isFailure(outcome: Outcome): boolean {
  return judgeOutcome(outcome) === 'failure'
}
