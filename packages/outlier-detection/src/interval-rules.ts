import type { FailurePercentageRule, SuccessRateRule } from './options.ts'

/** Requests of one host in an interval. */
export interface HostSample<Host> {
  /** The host. */
  readonly host: Host
  /** Requests with an outcome that says something about the host. */
  readonly requests: number
  /** Number of failed requests. */
  readonly failures: number
}

/**
 * Finds the hosts whose success rate is below `mean − stdevFactor × standard deviation` over all hosts with enough
 * requests, worst first.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier (success rate)
 */
export function findBySuccessRate<Host>(
  samples: readonly HostSample<Host>[],
  { stdevFactor, minHosts, minRequests }: Required<SuccessRateRule>,
): readonly Host[] {
  const judged = samples.filter(({ requests }) => requests >= minRequests)
  if (judged.length < minHosts) return []
  const rates = judged.map(successRate)
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  const threshold = mean - stdevFactor * Math.sqrt(variance)
  return worstFirst(judged.filter((sample) => successRate(sample) < threshold))
}

/** Finds the hosts with at least `threshold` percent failed requests, worst first. */
export function findByFailurePercentage<Host>(
  samples: readonly HostSample<Host>[],
  { threshold, minHosts, minRequests }: Required<FailurePercentageRule>,
): readonly Host[] {
  const judged = samples.filter(({ requests }) => requests >= minRequests)
  if (judged.length < minHosts) return []
  return worstFirst(judged.filter(({ requests, failures }) => failures * 100 >= threshold * requests))
}

function successRate({ requests, failures }: HostSample<unknown>): number {
  return (requests - failures) / requests
}

/** Sorts outliers, so that the worst ones are ejected if the cap allows only some. */
function worstFirst<Host>(outliers: readonly HostSample<Host>[]): readonly Host[] {
  return outliers.toSorted((a, b) => successRate(a) - successRate(b)).map(({ host }) => host)
}
