import { seconds } from './screen.ts'
import type { Tally } from './tally.ts'

/** Events of the scenario, with times by `performance.now()`. */
export interface ScenarioLog {
  /** Label of the registry. */
  readonly registry: string
  /** The instance that left gracefully, and when it started to leave. */
  readonly left: { readonly id: string; readonly at: number; readonly failedDuring: number }
  /** The killed instance, when it was killed, and when its lease ended; absent if the run ended before. */
  readonly killed: { readonly id: string; readonly at: number; leaseEndedAt?: number }
}

/** The closing report. */
export function renderSummary(tally: Tally, log: ScenarioLog, durationMs: number): string {
  const total = tally.answered + tally.failed
  const quietAfterMs = Math.max(0, (tally.instances.get(log.killed.id)?.lastAttemptAt ?? 0) - log.killed.at)
  const { at, leaseEndedAt } = log.killed
  const lease = leaseEndedAt === undefined ? 'its lease outlasted the run' : `its lease ended after ${seconds(leaseEndedAt - at)}`
  const shares = [...tally.instances].map(([id, { served, status }]) => {
    const share = tally.answered === 0 ? 0 : (served / tally.answered) * 100
    return `    ${id.padEnd(14)} ${String(served).padStart(7)}  ${share.toFixed(1).padStart(5)} %  ${status}`
  })
  return [
    'Summary',
    `  registry       ${log.registry}`,
    `  requests       ${total} in ${seconds(durationMs)}`,
    `  failures       ${tally.failed}${tally.firstFailure ? ` (first: ${tally.firstFailure})` : ''}`,
    `  second picks   ${tally.retried} (the first attempt failed or was slow; another instance answered)`,
    `  graceful leave ${log.left.id}: ${log.left.failedDuring} failed calls`,
    `  kill           ${log.killed.id}: no more traffic after ${seconds(quietAfterMs)}; ${lease}`,
    '  distribution',
    ...shares,
    '',
    'The code',
    '  a service    examples/quickstart/src/instance.ts: createApp, app.handle, app.start',
    '  its caller   examples/quickstart/src/run.ts: createApp, app.client.get(service, path)',
    '  to copy      docs/guides/getting-started.md: ten lines. Your framework: examples/express-app, fastify-app, nest-app, hono-bun-app',
    '',
  ].join('\n')
}
