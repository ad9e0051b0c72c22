import type { Stage } from './stage.ts'
import { attemptRatio, callCount, callShare, percentileMs } from './tally.ts'
import { percent } from './text.ts'

/** The closing report: measurements and promises. */
export function renderSummary({ phases, promises }: Pick<Stage, 'phases' | 'promises'>): string {
  const columns = ['phase', 'calls', 'answered', 'fallback', 'failed', 'attempts/call', 'p50 ms', 'p99 ms']
  const rows = phases.map(({ label, tally }) => [
    label,
    String(callCount(tally)),
    ...(['answered', 'fallback', 'failed'] as const).map((end) => percent(callShare(tally, end), 1)),
    attemptRatio(tally).toFixed(2),
    ...[50, 99].map((share) => String(Math.round(percentileMs(tally, share)))),
  ])
  const widths = columns.map((_, column) => Math.max(...[columns, ...rows].map((row) => row[column]?.length ?? 0)))
  const table = [columns, ...rows].map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
  )
  const kept = promises.filter(({ isKept }) => isKept).length
  return [
    '',
    'Summary',
    ...table.map((line) => `  ${line}`),
    '',
    ...promises.map(({ text, isKept, detail }) => `  ${isKept ? 'seen    ' : 'NOT SEEN'}  ${text} (${detail})`),
    '',
    `${kept} of ${promises.length} promises seen`,
    '',
  ].join('\n')
}
