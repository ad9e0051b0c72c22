import type { HealthStatus } from '@sd/core'
import type { ComponentChildren, JSX } from 'preact'
import { clean, clock, span } from '../data/format.ts'
import { now } from '../data/state.ts'

/** How something is: a word and a shape, never a colour alone. */
export type Level = 'good' | 'info' | 'warning' | 'critical' | 'unknown'

const shapes: Readonly<Record<Level, string>> = { good: '●', info: '◆', warning: '▲', critical: '✖', unknown: '○' }

/** A state with its shape. */
export function Status({ level, children }: { readonly level: Level; readonly children: ComponentChildren }): JSX.Element {
  return (
    <span class={`status ${level}`}>
      <span aria-hidden="true">{shapes[level]}</span> {children}
    </span>
  )
}

const healthLevels: Readonly<Record<HealthStatus, Level>> = {
  healthy: 'good',
  unhealthy: 'critical',
  draining: 'warning',
  unknown: 'unknown',
}

/** Health of an instance. */
export function Health({ health }: { readonly health: HealthStatus }): JSX.Element {
  return <Status level={healthLevels[health] ?? 'unknown'}>{clean(health)}</Status>
}

/** A text from outside: isolated, so that its direction can't affect its neighbours. */
export function Text({ of, longest }: { readonly of: unknown; readonly longest?: number }): JSX.Element {
  return <bdi>{clean(of, longest)}</bdi>
}

/** How long ago something was. */
export function Age({ since, prefix = '' }: { readonly since: number | undefined; readonly prefix?: string }): JSX.Element {
  if (since === undefined) return <span class="muted">–</span>
  return (
    <time dateTime={new Date(since).toISOString()} title={clock(since)}>
      {prefix}
      {span(now.value - since)}
    </time>
  )
}

/** A time of day. */
export function Clock({ at }: { readonly at: number }): JSX.Element {
  return <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
}

/** The heading of a page, and what it answers. */
export function Title({
  children,
  aside,
}: {
  readonly children: ComponentChildren
  readonly aside?: ComponentChildren
}): JSX.Element {
  return (
    <header class="title">
      <h1 tabIndex={-1}>{children}</h1>
      {aside && <div class="aside">{aside}</div>}
    </header>
  )
}

/** A part of a page with a heading. */
export function Section({
  title,
  children,
  aside,
}: {
  readonly title: string
  readonly children: ComponentChildren
  readonly aside?: ComponentChildren
}): JSX.Element {
  return (
    <section>
      <div class="title">
        <h2>{title}</h2>
        {aside && <div class="aside">{aside}</div>}
      </div>
      {children}
    </section>
  )
}

/** What is shown where there is nothing: why, and what to do. */
export function Empty({ children, code }: { readonly children: ComponentChildren; readonly code?: string }): JSX.Element {
  return (
    <div class="empty">
      <p>{children}</p>
      {code && (
        <pre>
          <code>{code}</code>
        </pre>
      )}
    </div>
  )
}

/** Names and values. */
export function Facts({ of }: { readonly of: readonly (readonly [name: string, value: ComponentChildren])[] }): JSX.Element {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** A link out of the page, made from a template of the operator. */
export function OutsideLink({
  template,
  values,
  children,
}: {
  readonly template: string | undefined
  readonly values: Readonly<Record<string, string>>
  readonly children: ComponentChildren
}): JSX.Element | null {
  if (template === undefined) return null
  const address = template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? encodeURIComponent(values[name] ?? '') : whole,
  )
  return (
    <a href={address} target="_blank" rel="noreferrer noopener">
      {children} <span aria-hidden="true">↗</span>
    </a>
  )
}
