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

/** Ejects a host whose success rate is far below that of the others. */
export interface SuccessRateRule {
  /** Number of standard deviations below the mean that ejects a host, from 0. @default 1.9 (Envoy) */
  readonly stdevFactor?: number
  /** Minimum number of hosts with enough requests, from 2. @default 5 (Envoy) */
  readonly minHosts?: number
  /** Minimum number of requests of a host in an interval, from 1. @default 100 (Envoy) */
  readonly minRequests?: number
}

/** Ejects a host if too many of its requests fail, regardless of the other hosts. */
export interface FailurePercentageRule {
  /** Percentage of failures that ejects a host, from 1 to 100. @default 85 (Envoy) */
  readonly threshold?: number
  /** Minimum number of hosts with enough requests, from 1. @default 5 (Envoy) */
  readonly minHosts?: number
  /** Minimum number of requests of a host in an interval, from 1. @default 50 (Envoy) */
  readonly minRequests?: number
}

/** Rules for ejecting a host, and for how long; common options of `createOutlierDetector` and `createOutlierDetection`. */
export interface OutlierRules {
  /** Number of consecutive errors that eject a host, from 1: 5xx, failed connections, timeouts. @default 5 (Envoy) */
  readonly consecutive5xx?: number | false
  /**
   * Number of consecutive 502, 503, 504, failed connections and timeouts that eject a host, from 1. They are 5xx too, so a
   * value is only useful if it is below `consecutive5xx`. @default false (Envoy detects 5 but does not enforce it)
   */
  readonly consecutiveGatewayErrors?: number | false
  /** Compares the success rates of the hosts at the end of each interval. @default {} */
  readonly successRate?: SuccessRateRule | false
  /** Checks the failures of each host at the end of each interval. @default false (Envoy does not enforce it) */
  readonly failurePercentage?: FailurePercentageRule | false
  /** Length of an interval, in milliseconds, from 1. @default 10_000 (Envoy) */
  readonly intervalMs?: number
  /**
   * Duration of the first ejection, in milliseconds, from 1. The second one is twice as long, and so on. The first is
   * short, because a host soon recovers from a short fault, and one that does not costs only five failures for every
   * return.
   *
   * @default 5_000 (Envoy: 30_000)
   */
  readonly baseEjectionMs?: number
  /** Longest ejection, in milliseconds; at least baseEjectionMs. @default 300_000 (Envoy), or baseEjectionMs if that is more */
  readonly maxEjectionMs?: number
  /**
   * Upper bound of the random addition to an ejection, in milliseconds, so that not all clients return at once.
   *
   * @default 1_000 (Envoy: 0)
   */
  readonly maxJitterMs?: number
  /**
   * Share of the hosts that may be ejected at the same time, from 0 to 1. One host may always be ejected, unless it is 0.
   * Discovery has one rule for all endpoints that are out, at most half of them by default. A smaller share here would keep
   * a second bad host of five in.
   *
   * @default 0.5 (Envoy: 0.1)
   */
  readonly maxEjectedShare?: number
  /**
   * Whether an outcome is an error of the host. Not called for outcomes that `judgeOutcome` of `@sd/core` finds neutral,
   * because the caller or this process caused them. @default 5xx, failed connections, timeouts, broken bodies
   */
  readonly isError?: (outcome: Outcome) => boolean
  /** Source of randomness in [0, 1) for jitter. @default Math.random */
  readonly random?: () => number
}

/** Options of `createOutlierDetection`. */
export interface OutlierDetectionOptions extends OutlierRules {
  /** Name for logs and metrics; unique among the monitors of a service. @default 'outlier-detection' */
  readonly name?: string
  /** Time in which a restored host regains its full weight, in milliseconds; 0 restores it at once. @default 0 */
  readonly rampMs?: number
}

/** Rules with defaults applied. */
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

/** A larger number is a mistake: no host would ever reach it. */
const count = { min: 1, max: 1_000_000 }

/** Validates the rules and applies defaults. @throws SdError `SD_INVALID` that names the option */
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

/** The options that only the monitor has. */
export interface ResolvedMonitorOptions {
  /** See {@link OutlierDetectionOptions.name}. */
  readonly name: string
  /** See {@link OutlierDetectionOptions.rampMs}. */
  readonly rampMs: number
}

/**
 * Validates the options that only the monitor has, and rejects unknown ones.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
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
