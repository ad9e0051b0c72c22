/** One line of the table: a goal and what was measured. */
export interface Finding {
  /** What was measured. */
  readonly subject: string
  /** The measured figure. */
  readonly measured: string
  /** The goal, if there is one. */
  readonly goal?: string
  /** Whether it was met, if there is one. */
  readonly met?: boolean
}

/** A ratio with its spread, such as `1.08 (1.05–1.12)`. */
export function formatRatio({ ratio, spread }: { readonly ratio: number; readonly spread: readonly [number, number] }): string {
  return `${ratio.toFixed(2)} × (${spread[0].toFixed(2)}–${spread[1].toFixed(2)})`
}

/** The findings as a Markdown table. */
export function renderTable(findings: readonly Finding[]): string {
  const rows = findings.map(
    ({ subject, measured, goal = '', met }) =>
      `| ${subject} | ${measured} | ${goal} | ${met === undefined ? '' : met ? 'yes' : '**no**'} |`,
  )
  return ['| what | measured | goal | met |', '|---|---|---|---|', ...rows].join('\n')
}
