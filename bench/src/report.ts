/** One line of the table: a goal and what was measured. */
export interface Finding {
  /** What was measured. */
  readonly subject: string
  /** The measured figure. */
  readonly measured: string
  /** The goal, if there is one. */
  readonly goal?: string
  /** Whether it was met, if there is one. */
  readonly met?: Verdict
}

/** Whether a goal was met, if the measurement can tell. */
export type Verdict = boolean | 'not decided'

/** A ratio, and the quartiles of those that it is the median of. */
export interface Ratio {
  readonly ratio: number
  readonly spread: readonly [number, number]
}

/** Quartiles further apart say that the machine was too noisy. */
const widestSpread = 0.1

/** A goal for a ratio, and whether it was met. @param than what it is compared with, such as `undici` */
export function judgeRatio(
  { ratio, spread: [low, high] }: Ratio,
  limit: number,
  than: string = '',
): Pick<Finding, 'goal' | 'met'> {
  const goal = `≤ ${limit} × ${than}`.trimEnd()
  return { goal, met: high - low > widestSpread ? 'not decided' : ratio <= limit }
}

/** A ratio with its spread, such as `1.08 (1.05–1.12)`. */
export function formatRatio({ ratio, spread }: Ratio): string {
  return `${ratio.toFixed(2)} × (${spread[0].toFixed(2)}–${spread[1].toFixed(2)})`
}

/** The findings as a Markdown table. */
export function renderTable(findings: readonly Finding[]): string {
  const rows = findings.map(
    ({ subject, measured, goal = '', met }) => `| ${subject} | ${measured} | ${goal} | ${formatVerdict(met)} |`,
  )
  return ['| what | measured | goal | met |', '|---|---|---|---|', ...rows].join('\n')
}

function formatVerdict(met: Verdict | undefined): string {
  if (met === undefined) return ''
  if (met === 'not decided') return met
  return met ? 'yes' : '**no**'
}
