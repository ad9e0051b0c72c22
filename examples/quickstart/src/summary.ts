import { seconds } from './screen.ts'
import type { Tally } from './tally.ts'

/** What the scenario did, and when, by `performance.now()`. */
export interface ScenarioLog {
  /** Where instances were registered. */
  readonly registry: string
  /** The instance that left gracefully, and when it began to. */
  readonly left: { readonly id: string; readonly at: number; readonly failedDuring: number }
  /** The instance that was killed, when, and when its lease had ended; absent if the run was over before. */
  readonly killed: { readonly id: string; readonly at: number; goneAt?: number }
}

/** The closing report. */
export function renderSummary(tally: Tally, log: ScenarioLog, durationMs: number): string {
  const total = tally.answered + tally.failed
  const quietAfterMs = Math.max(0, (tally.instances.get(log.killed.id)?.lastAttemptAt ?? 0) - log.killed.at)
  const { at, goneAt } = log.killed
  const lease = goneAt === undefined ? 'its lease outlasted the run' : `its lease ended after ${seconds(goneAt - at)}`
  const shares = [...tally.instances].map(([id, { served, status }]) => {
    const share = tally.answered === 0 ? 0 : (served / tally.answered) * 100
    return `    ${id.padEnd(14)} ${String(served).padStart(7)}  ${share.toFixed(1).padStart(5)} %  ${status}`
  })
  return [
    'Summary',
    `  registry       ${log.registry}`,
    `  requests       ${total} in ${seconds(durationMs)}`,
    `  failures       ${tally.failed}${tally.firstFailure ? ` (first: ${tally.firstFailure})` : ''}`,
    `  second picks   ${tally.retried} (the first choice refused or lost the connection; another instance answered)`,
    `  graceful leave ${log.left.id}: ${log.left.failedDuring} failed calls`,
    `  kill           ${log.killed.id}: no more traffic after ${seconds(quietAfterMs)}; ${lease}`,
    '  distribution',
    ...shares,
    '',
  ].join('\n')
}
