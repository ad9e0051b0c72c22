import type { FleetModel, Traffic } from '@sd/fleet'
import { type Line, type Span, type Style, styled } from '../output/view.ts'

const severityStyles: Readonly<Record<string, Style>> = { critical: 'red', warning: 'yellow', info: 'dim' }

/** Calls or attempts per second. */
export function formatRate({ total, perSecond }: Traffic): string {
  if (total === 0) return '–'
  return perSecond >= 10 ? String(Math.round(perSecond)) : perSecond.toFixed(1)
}

/** A share as percentage. */
export function formatShare({ total, failedShare }: Traffic): Line {
  if (total === 0) return ''
  const text = `${(failedShare * 100).toFixed(1)} %`
  return failedShare > 0 ? styled('yellow', text) : text
}

/** A duration in milliseconds. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return ''
  if (ms >= 10_000) return `${Math.round(ms / 1_000)} s`
  return `${ms >= 10 || ms === 0 ? Math.round(ms) : ms.toFixed(1)} ms`
}

/** A number of bytes. */
export function formatBytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`
}

/** A severity with its colour. */
export function describeSeverity(severity: string): Span {
  const style = severityStyles[severity]
  return style ? styled(style, severity) : severity
}

/** The numbers of a traffic, for JSON. */
export function toTrafficData({
  total,
  perSecond,
  failedShare,
  meanMs,
  p50Ms,
  p99Ms,
  failed,
  refused,
  retries,
}: Traffic): object {
  return {
    total,
    perSecond: round(perSecond),
    failedShare: round(failedShare),
    ...(meanMs !== undefined && { meanMs: round(meanMs) }),
    ...(p50Ms !== undefined && { p50Ms: round(p50Ms) }),
    ...(p99Ms !== undefined && { p99Ms: round(p99Ms) }),
    failed,
    refused,
    retries,
  }
}

function round(number: number): number {
  return Math.round(number * 1_000) / 1_000
}

/** The registry, and how many processes answered. */
export function describeFleet({ registry, processes }: FleetModel): Line {
  const answering = processes.filter(({ state }) => state === 'answers').length
  const all = `${answering} of ${processes.length} ${processes.length === 1 ? 'process' : 'processes'} answered`
  const text = processes.length === 0 ? 'no process has an admin endpoint' : all
  const place = registry.url || registry.name
  const isStale = registry.staleSince !== undefined
  return isStale
    ? [styled('yellow', `${place} can't be reached, this is its last answer`), styled('dim', ` · ${text}`)]
    : styled('dim', `${place} · ${text}`)
}
