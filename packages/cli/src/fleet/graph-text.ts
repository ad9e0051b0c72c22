import type { FleetEdge } from '@sd/fleet'
import { formatMs, formatRate } from './words.ts'

/** A graph for Graphviz. Names from outside are quoted. */
export function formatDot(edges: readonly FleetEdge[]): string {
  const quote = (text: string): string => `"${clean(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  const lines = edges.map(
    (edge) =>
      `  ${quote(edge.from)} -> ${quote(edge.to)} [label=${quote(labelOf(edge))}${edge.kind === 'declared' ? ', style=dashed' : ''}]`,
  )
  return ['digraph services {', '  rankdir=LR', ...lines, '}', ''].join('\n')
}

/** A Mermaid flowchart. Names from outside are labels of numbered nodes, because an id can't have every character. */
export function formatMermaid(edges: readonly FleetEdge[]): string {
  const names = [...new Set(edges.flatMap(({ from, to }) => [from, to]))].sort()
  const idOf = (name: string): string => `n${names.indexOf(name)}`
  const quote = (text: string): string =>
    `"${clean(text).replaceAll(/[#"&<>;]/g, (character) => `#${character.charCodeAt(0)};`)}"`
  const nodes = names.map((name) => `  ${idOf(name)}[${quote(name)}]`)
  const arrows = edges.map((edge) => {
    const label = labelOf(edge)
    const text = label === '' ? '' : `|${quote(label)}|`
    return `  ${idOf(edge.from)} ${edge.kind === 'declared' ? '-.->' : '-->'}${text} ${idOf(edge.to)}`
  })
  return ['graph LR', ...nodes, ...arrows, ''].join('\n')
}

function labelOf({ traffic }: FleetEdge): string {
  return traffic.total === 0 ? '' : `${formatRate(traffic)}/s ${formatMs(traffic.meanMs)}`.trim()
}

function clean(text: string): string {
  return text.replaceAll(/[\n\r\t]+/g, ' ')
}
