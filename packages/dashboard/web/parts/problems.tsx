import type { FleetChange, Problem } from '@sd/fleet'
import type { JSX } from 'preact'
import { pageOf } from '../data/select.ts'
import { Age, Clock, Empty, Status, Text } from './basics.tsx'

/** Problems drawn at once. */
const mostProblems = 100

/** What is wrong: a sentence, its evidence, and what to do. */
export function Problems({ problems, empty }: { readonly problems: readonly Problem[]; readonly empty: string }): JSX.Element {
  if (problems.length === 0)
    return (
      <p class="fine">
        <Status level="good">{empty}</Status>
      </p>
    )
  return (
    <ul class="problems">
      {problems.slice(0, mostProblems).map(({ id, severity, text, about, since, evidence, next }) => (
        <li key={id} class={severity}>
          <div class="line">
            <Status level={severity}>{severity}</Status>
            <a href={pageOf(about)}>
              <Text of={text} />
            </a>
            {since !== undefined && (
              <span class="muted">
                since <Age since={since} />
              </span>
            )}
          </div>
          {(evidence.length > 0 || next !== undefined) && (
            <details>
              <summary>Why, and what to do</summary>
              <ul>
                {evidence.map((line) => (
                  <li key={line}>
                    <Text of={line} />
                  </li>
                ))}
              </ul>
              {next !== undefined && (
                <p>
                  <b>Do: </b>
                  <Text of={next} />
                </p>
              )}
            </details>
          )}
        </li>
      ))}
      {problems.length > mostProblems && <li>{problems.length - mostProblems} more</li>}
    </ul>
  )
}

/** A line of the story: a change, or the begin of a problem. */
interface Moment {
  readonly key: string
  readonly at: number
  readonly severity: Problem['severity']
  readonly text: string
  readonly by?: string | undefined
  readonly href: string
  readonly kind: string
}

/** Changes and the begin of problems on one axis of time, the latest first: a change right before a fault stands below it. */
export function Story({
  changes,
  problems,
  most = 30,
}: {
  readonly changes: readonly FleetChange[]
  readonly problems: readonly Problem[]
  readonly most?: number
}): JSX.Element {
  const moments: Moment[] = [
    ...changes.map(({ id, at, severity, text, by, about, kind }) => ({
      key: `c${id}`,
      at,
      severity,
      text,
      by,
      href: pageOf(about),
      kind,
    })),
    ...problems.flatMap(({ id, since, severity, text, about }) =>
      since === undefined ? [] : [{ key: `p${id}`, at: since, severity, text, href: pageOf(about), kind: 'problem' }],
    ),
  ].sort((a, b) => b.at - a.at)
  if (moments.length === 0) return <Empty>Nothing changed in the last five minutes.</Empty>
  return (
    <ol class="story">
      {select(moments, most).map(({ key, at, severity, text, by, href, kind }) => (
        <li key={key} class={kind === 'problem' ? 'begins' : ''}>
          <Clock at={at} />
          <span>
            <Status level={severity}>{kind === 'problem' ? 'begins' : <Text of={kind} longest={30} />}</Status>{' '}
            <a href={href}>
              <Text of={text} />
            </a>
            {by !== undefined && (
              <span class="muted">
                {' '}
                by <Text of={by} longest={60} />
              </span>
            )}
          </span>
        </li>
      ))}
    </ol>
  )
}

/** The latest moments. Breakers that open and close again and again must not displace the change that began it. */
function select(moments: readonly Moment[], most: number): readonly Moment[] {
  const others = moments.filter(({ kind }) => kind !== 'breaker').slice(0, most)
  const breakers = moments.filter(({ kind }) => kind === 'breaker').slice(0, most - others.length)
  return [...others, ...breakers].sort((a, b) => b.at - a.at)
}
