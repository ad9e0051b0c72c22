import type { ChaosResult } from './judge.ts'

/** Maximum number of reported losses by phase and reason. */
const maxReasons = 6
/** With a larger start delay, in milliseconds, the result is not valid. */
const mostLateMs = 20

/** Renders the tables of one rate: the worst of all seeds for each figure. */
export function renderChaos(rate: number, results: ReadonlyMap<string, readonly ChaosResult[]>): string {
  const rows: string[] = []
  const blips: string[] = []
  const reasons: string[] = []
  for (const [name, runs] of results) {
    const worst = (of: (run: ChaosResult) => number): number => Math.max(...runs.map(of))
    const most = (method: string): number => worst(({ lost }) => lost[method] ?? 0)
    const sent = Math.min(...runs.map((run) => run.sent))
    const ratio = worst(({ latenciesMs, calmMs }) => (latenciesMs[2] as number) / (calmMs[2] as number))
    const lateMs = worst((run) => run.lateMs)
    rows.push(
      `| ${[
        name,
        sent,
        `${percent(worst(({ lossShare }) => lossShare))} (GET ${percent(worst(({ getLossShare }) => getLossShare))})`,
        `${most('GET')} / ${most('PUT')} / ${most('POST')}`,
        worst(({ died }) => died),
        worst(({ restartLosses }) => restartLosses),
        [0, 1, 2].map((index) => Math.round(worst(({ latenciesMs }) => latenciesMs[index] as number))).join(' / '),
        [0, 1, 2].map((index) => Math.round(worst(({ calmMs }) => calmMs[index] as number))).join(' / '),
        `${ratio.toFixed(1)} ×`,
        lateMs > mostLateMs ? `${Math.round(lateMs)} ms: not decided` : `${Math.round(lateMs)} ms`,
      ].join(' | ')} |`,
    )
    for (const [index, { name: blip, limitMs }] of (runs[0]?.blips ?? []).entries()) {
      const lastMs = worst((run) => run.blips[index]?.lastMs ?? 0)
      const failed = worst((run) => run.blips[index]?.failed ?? 0)
      blips.push(`| ${name} | ${blip} | ${failed} | ${lastMs} | ${limitMs} | ${lastMs <= limitMs ? 'yes' : '**no**'} |`)
    }
    const all = new Map<string, number>()
    for (const run of runs)
      for (const [reason, count] of Object.entries(run.reasons)) all.set(reason, (all.get(reason) ?? 0) + count)
    const top = [...all].sort(([, a], [, b]) => b - a).slice(0, maxReasons)
    if (top.length > 0) reasons.push(`- ${name}: ${top.map(([reason, count]) => `${count} × ${reason}`).join('; ')}`)
  }
  return [
    `## ${rate} calls per second, worst of ${[...results.values()][0]?.length ?? 0} seeds`,
    '',
    '| contender | calls | lost | GET / PUT / POST | POSTs killed with their instance | in the rolling restart | P50 / P99 / P99.9 ms | calm | P99.9 | start delay, P99 |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    '| contender | blip | failed | last failure after ms | limit ms | met |',
    '|---|---|---|---|---|---|',
    ...blips,
    '',
    'Lost in all seeds, by phase:',
    '',
    ...reasons,
    '',
  ].join('\n')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`
}
