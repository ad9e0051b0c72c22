import { faultLength } from './faults.ts'
import { ejectionMs } from './presets.ts'
import { deadlineMs, type Scenario, type ScenarioResult, type SimulatedCall } from './scenario.ts'

/** One invariant that does not hold. */
export interface Violation {
  /** Which. */
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
  /** What was seen, and what is allowed. */
  readonly detail: string
}

/** Share of calls that may fail while one or half of the instances are affected and failed attempts are repeated. */
const lossShare = 0.005
/** Calls that may fail beside, and one more for each affected instance: a POST is not repeated, and an instance that hangs is noticed by some. */
const lossCalls = 5
/** How long an attempt that began in the fault may hang after it, in milliseconds. */
const hangingMs = deadlineMs / 2
/**
 * How long balancers that go by more than the list may pass over an instance that is not out, in milliseconds: P2C for its `forcePickMs`, least-active
 * while attempts that began in the fault hang.
 */
const passedOverMs: Readonly<Record<string, number>> = { p2c: 3_000, 'least-active': hangingMs }
/** From the end of an ejection to the view that has it, and to the sample that sees it, in milliseconds. */
const noticedMs = 300
/** Calls per instance that may go elsewhere by chance. */
const chanceCalls = 15
/** What an ejection of outlier detection may take, in milliseconds: twice its shortest time, and a second of jitter. */
const longestEjectionMs = 2 * ejectionMs + 1_000

/**
 * How long an instance may be out after the fault has ended, in milliseconds: as long as it failed, from a second on and up to a quarter more, from
 * the end of an attempt that began in the fault; and then once more for a second, because a trial lost against a hedge.
 */
function longestOutMs(scenario: Scenario): number {
  const accrualMs = 1.25 * Math.max(1_000, faultLength(scenario)) + 1_250
  const longestMs = scenario.preset.name.includes('outlier detection') ? Math.max(accrualMs, longestEjectionMs) : accrualMs
  return longestMs + hangingMs + noticedMs
}

/** What of a result must not be. */
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
  // A request that was on the way to its connection when the client stopped is not sent before its deadline.
  const unsent = (fault.standsStillMs?.(scenario.durationMs) ?? 0) >= deadlineMs ? 2 : 0
  const allowed =
    reach === 'none'
      ? unsent
      : reach === 'all' || !isJudged
        ? Infinity
        : Math.ceil(during.length * lossShare) + lossCalls + affected
  if (lost > allowed) {
    violations.push({ invariant: 'loss', detail: `${lost} of ${during.length} failed, ${allowed} may: ${tally(failed)}` })
  }
  return violations
}

/** At most 1.2 attempts for each call, and 10 per second, from the start to any second. */
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
      violations.push({ invariant: 'starved', detail: `server ${index}: ${waitedMs} ms, ${allowedMs} may` })
  }
  for (const [index, outMs] of result.outMs.entries()) {
    const allowedMs = longestOutMs(scenario)
    if (outMs > allowedMs)
      violations.push({ invariant: 'out', detail: `server ${index}: ${outMs} ms after the fault, ${allowedMs} may` })
  }
  return violations
}

function judgeEnd({ fault, durationMs }: Scenario, { calls, active, permits, timersLeft }: ScenarioResult): Violation[] {
  const limitMs = deadlineMs + 50 + (fault.standsStillMs?.(durationMs) ?? 0)
  const violations: Violation[] = []
  const unsettled = calls.filter(({ endedAt, at }) => endedAt - at > limitMs).length
  if (unsettled > 0) violations.push({ invariant: 'unsettled', detail: `${unsettled} calls outlived their deadline` })
  if (active !== 0) violations.push({ invariant: 'active', detail: `${active} attempts are still counted` })
  if (permits !== 0) violations.push({ invariant: 'permits', detail: `${permits} permits are still taken` })
  if (timersLeft !== 0) violations.push({ invariant: 'timers', detail: `${timersLeft} timers are left` })
  return violations
}

function tally(calls: readonly SimulatedCall[]): string {
  const counts = new Map<string, number>()
  for (const { failure = '' } of calls) counts.set(failure, (counts.get(failure) ?? 0) + 1)
  return Array.from(counts, ([failure, count]) => `${count} × ${failure}`).join(', ')
}
