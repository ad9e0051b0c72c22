import { faultLength } from './faults.ts'
import { ejectionMs } from './presets.ts'
import { deadlineMs, type Scenario, type ScenarioResult, type SimulatedCall } from './scenario.ts'

/** A violated invariant. */
export interface Violation {
  /** Name of the invariant. */
  readonly invariant:
    | 'failures end'
    | 'loss'
    | 'amplification'
    | 'starved'
    | 'out'
    | 'active'
    | 'permits'
    | 'timers'
    | 'unsettled'
  /** The observed and the allowed value. */
  readonly detail: string
}

/** Share of calls that may fail while one or half of the instances are affected and failed attempts are retried. */
const lossShare = 0.005
/**
 * Additional calls that may fail, plus one per affected instance: a POST is not retried, and some calls are needed to
 * detect an instance that hangs.
 */
const lossCalls = 5
/** How long an attempt that began during the fault may hang after it, in milliseconds. */
const hangingMs = deadlineMs / 2
/**
 * How long balancers that use more than the list may skip an instance that is not out, in milliseconds: P2C for its
 * `forcePickMs`, least-active while attempts that began during the fault hang.
 */
const passedOverMs: Readonly<Record<string, number>> = { p2c: 3_000, 'least-active': hangingMs }
/** Time from the end of an ejection to the next view and the next sample, in milliseconds. */
const noticedMs = 300
/** Number of calls per instance that may go elsewhere by chance. */
const chanceCalls = 15
/** Longest ejection by outlier detection, in milliseconds: twice its minimum, and a second of jitter. */
const longestEjectionMs = 2 * ejectionMs + 1_000

/**
 * Returns how long an instance may be out after the fault has ended, in milliseconds: as long as it failed, at least a
 * second and up to a quarter more, from the end of an attempt that began during the fault; then another second, because a
 * trial can lose to a hedge.
 */
function longestOutMs(scenario: Scenario): number {
  const accrualMs = 1.25 * Math.max(1_000, faultLength(scenario)) + 1_250
  const longestMs = scenario.preset.name.includes('outlier detection') ? Math.max(accrualMs, longestEjectionMs) : accrualMs
  return longestMs + hangingMs + noticedMs
}

/** Returns the violated invariants of a result. */
export function findViolations(scenario: Scenario, result: ScenarioResult): readonly Violation[] {
  return [...judgeFailures(scenario, result), ...judgeAttempts(scenario, result), ...judgeEnd(scenario, result)]
}

function judgeFailures(scenario: Scenario, { calls, faultAt, attempts }: ScenarioResult): Violation[] {
  const { fault, size, preset } = scenario
  const violations: Violation[] = []
  const diedWithServer = attempts.filter((attempt) => attempt.diedWithServer && attempt.method === 'POST').length
  const failed = calls.filter(({ failure }) => failure !== undefined)
  const limit = faultAt + 1.2 * faultLength(scenario) + 250
  const late = failed.filter((call) => (fault.isSilent ? call.at : call.endedAt) > limit)
  if (late.length > 0) {
    const last = late.at(-1) as SimulatedCall
    violations.push({
      invariant: 'failures end',
      detail: `${late.length} failed after ${Math.round(limit - faultAt)} ms, the last at ${Math.round(last.at - faultAt)} ms: ${tally(late)}`,
    })
  }
  const early = failed.filter(({ at }) => at < faultAt - deadlineMs)
  if (early.length > 0) violations.push({ invariant: 'loss', detail: `${early.length} failed before the fault: ${tally(early)}` })
  const during = calls.filter(({ at }) => at >= faultAt && at <= limit)
  const lost = failed.length - diedWithServer
  const reach = fault.reach(size)
  const isJudged = preset.retries && size > 2
  const affected = reach === 'half' ? Math.ceil(size / 2) : 1
  // A request that was about to be sent when the client stopped is not sent before its deadline.
  const unsent = (fault.stallMs?.(scenario.durationMs) ?? 0) >= deadlineMs ? 2 : 0
  const allowed =
    reach === 'none'
      ? unsent
      : reach === 'all' || !isJudged
        ? Infinity
        : Math.ceil(during.length * lossShare) + lossCalls + affected
  if (lost > allowed) {
    violations.push({ invariant: 'loss', detail: `${lost} of ${during.length} failed, allowed are ${allowed}: ${tally(failed)}` })
  }
  return violations
}

/** At most 1.2 attempts per call, plus 10 per second, from the start to any second. */
function judgeAttempts(scenario: Scenario, result: ScenarioResult): Violation[] {
  const { rate, balancer } = scenario
  const { calls, attempts } = result
  const violations: Violation[] = []
  const endMs = result.loadEndedAt
  let [callCount, attemptCount] = [0, 0]
  for (let at = 1_000; at <= endMs; at += 1_000) {
    while ((calls[callCount]?.at ?? Infinity) <= at) callCount++
    while ((attempts[attemptCount]?.at ?? Infinity) <= at) attemptCount++
    const allowed = 1.2 * callCount + 10 * (at / 1_000 + 1)
    if (attemptCount <= allowed) continue
    violations.push({ invariant: 'amplification', detail: `${attemptCount} attempts for ${callCount} calls in ${at} ms` })
    break
  }
  const chanceMs = ((chanceCalls * result.starvedMs.length) / rate) * 1_000
  const allowedMs = noticedMs + chanceMs + (passedOverMs[balancer] ?? 0)
  for (const [index, waitedMs] of result.starvedMs.entries()) {
    if (waitedMs > allowedMs)
      violations.push({ invariant: 'starved', detail: `server ${index}: ${waitedMs} ms, allowed are ${allowedMs}` })
  }
  for (const [index, outMs] of result.outMs.entries()) {
    const allowedMs = longestOutMs(scenario)
    if (outMs > allowedMs)
      violations.push({ invariant: 'out', detail: `server ${index}: ${outMs} ms after the fault, allowed are ${allowedMs}` })
  }
  return violations
}

function judgeEnd({ fault, durationMs }: Scenario, { calls, active, permits, timersLeft }: ScenarioResult): Violation[] {
  const limitMs = deadlineMs + 50 + (fault.stallMs?.(durationMs) ?? 0)
  const violations: Violation[] = []
  const unsettled = calls.filter(({ endedAt, at }) => endedAt - at > limitMs).length
  if (unsettled > 0) violations.push({ invariant: 'unsettled', detail: `${unsettled} calls outlived their deadline` })
  if (active !== 0) violations.push({ invariant: 'active', detail: `${active} attempts are still active` })
  if (permits !== 0) violations.push({ invariant: 'permits', detail: `${permits} permits are still taken` })
  if (timersLeft !== 0) violations.push({ invariant: 'timers', detail: `${timersLeft} timers are left` })
  return violations
}

function tally(calls: readonly SimulatedCall[]): string {
  const counts = new Map<string, number>()
  for (const { failure = '' } of calls) counts.set(failure, (counts.get(failure) ?? 0) + 1)
  return Array.from(counts, ([failure, count]) => `${count} × ${failure}`).join(', ')
}
