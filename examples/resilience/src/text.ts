import { attemptRatio, callShare, percentileMs, type Tally } from './tally.ts'

/** A share as percent. */
export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`
}

/** Share of the answered calls. */
export function answeredText(tally: Tally): string {
  return `${percent(callShare(tally, 'answered'), 1)} answered`
}

/** Attempts per call. */
export function attemptsText(tally: Tally): string {
  return `${attemptRatio(tally).toFixed(2)} attempts per call`
}

/** The latency that 99 % of the calls did not exceed. */
export function p99Text(tally: Tally): string {
  return `p99 ${Math.round(percentileMs(tally, 99))} ms`
}
