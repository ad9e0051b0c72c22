/** One line of the table: a measurement and its goal. */
export interface Finding {
  /** Subject of the measurement. */
  readonly subject: string
  /** The measured figure. */
  readonly measured: string
  /** The goal, if any. */
  readonly goal?: string
  /** Whether the goal was met, if any. */
  readonly met?: Verdict
}

/** Whether a goal was met, if the measurement is precise enough. */
export type Verdict = boolean | 'not decided'

/** The median of ratios, with their quartiles. */
export interface Ratio {
  readonly ratio: number
  readonly spread: readonly [number, number]
}

/** Maximum distance of the quartiles; beyond it the machine was too noisy. */
const widestSpread = 0.1

/** A goal for a ratio, and whether it was met. @param than name of the baseline, such as `undici` */
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
  return ['| subject | measured | goal | met |', '|---|---|---|---|', ...rows].join('\n')
}

function formatVerdict(met: Verdict | undefined): string {
  if (met === undefined) return ''
  if (met === 'not decided') return met
  return met ? 'yes' : '**no**'
}
