import type { JSX } from 'preact'

const width = 120
const height = 24

/** A small chart of values over time. It is an image with a name; the numbers stand beside it. */
export function Spark({ values, label }: { readonly values: readonly (number | null)[]; readonly label: string }): JSX.Element {
  const highest = Math.max(...values.map((value) => value ?? 0), Number.MIN_VALUE)
  const step = width / Math.max(values.length - 1, 1)
  const points = values.map((value, index) =>
    value === null ? '' : `${(index * step).toFixed(1)},${(height - 1 - (value / highest) * (height - 2)).toFixed(1)}`,
  )
  // A gap where there is no value.
  const lines = points.join(' ').split(/ {2,}/).filter(Boolean)
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label}>
      {values.length > 1 && lines.map((line) => <polyline key={line.slice(0, 20)} points={line.trim()} />)}
    </svg>
  )
}

/** A bar that shows a share of the largest value. The number stands beside it. */
export function Bar({ share, isHigh = false }: { readonly share: number; readonly isHigh?: boolean }): JSX.Element {
  const filled = Math.min(Math.max(share, 0), 1) * 60
  return (
    <svg class={isHigh ? 'bar high' : 'bar'} viewBox="0 0 60 8" width="60" height="8" aria-hidden="true">
      <rect class="track" width="60" height="8" rx="2" />
      <rect width={filled.toFixed(1)} height="8" rx="2" />
    </svg>
  )
}
