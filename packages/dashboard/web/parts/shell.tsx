import { type Signal, signal } from '@preact/signals'
import type { FleetModel } from '@sd/fleet'
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { post, readSession } from '../data/api.ts'
import { clean, clock } from '../data/format.ts'
import { route, to } from '../data/route.ts'
import { connection, session } from '../data/state.ts'
import { Status } from './basics.tsx'
import { Search } from './search.tsx'

const pages: readonly (readonly [path: string, name: string])[] = [
  ['overview', 'Overview'],
  ['services', 'Services'],
  ['graph', 'Graph'],
  ['configuration', 'Configuration'],
  ['processes', 'Processes'],
  ['performance', 'Performance'],
  ['alerts', 'Alerts'],
  ['locks', 'Locks'],
  ['events', 'Events'],
  ['gateways', 'Gateways'],
]

type Theme = 'light' | 'dark' | 'system'
const themes: readonly Theme[] = ['system', 'light', 'dark']
const theme: Signal<Theme> = signal(readTheme())

function readTheme(): Theme {
  const stored = localStorage.getItem('sd-theme') as Theme | null
  const found = stored && themes.includes(stored) ? stored : 'system'
  document.documentElement.dataset['theme'] = found
  return found
}

function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'system'
  localStorage.setItem('sd-theme', theme.value)
  document.documentElement.dataset['theme'] = theme.value
}

/** What is around every page. */
export function Shell({
  model,
  children,
}: {
  readonly model: FleetModel | undefined
  readonly children: ComponentChildren
}): JSX.Element {
  const [current = 'overview', ...rest] = route.value.parts
  const main = useRef<HTMLElement>(null)
  const address = route.value.parts.join('/')
  const shown = useRef(address)
  useEffect(() => {
    const name = pages.find(([path]) => path === current)?.[1] ?? 'Fleet'
    document.title = rest.length > 0 ? `${clean(rest.at(-1), 60)} – ${name}` : `${name} – Fleet`
    if (shown.current === address) return
    // A new page: screen readers and keyboards begin at its heading, as after a load.
    shown.current = address
    main.current?.querySelector('h1')?.focus({ preventScroll: true })
    scrollTo(0, 0)
  }, [address])
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.querySelector('h1')?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href={to('overview')}>
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M9 10h6l8 6-8 6H9" />
            <circle cx="9" cy="10" r="3.5" />
            <circle cx="9" cy="22" r="3.5" />
            <circle cx="23" cy="16" r="3.5" />
          </svg>
          Fleet
        </a>
        {model && (
          <span class="registry" title={clean(model.registry.url)}>
            <bdi>{clean(model.registry.name, 60)}</bdi>
          </span>
        )}
        <Connection />
        {model && <Answering model={model} />}
        <Search />
        <button type="button" class="quiet" onClick={nextTheme}>
          Theme: {theme.value}
        </button>
        <User />
      </header>
      <nav aria-label="Pages">
        <ul>
          {pages.map(([path, name]) => (
            <li key={path}>
              <a href={to(path)} aria-current={current === path ? 'page' : undefined}>
                {name}
                {model && <Badge model={model} path={path} />}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" ref={main}>
        {children}
      </main>
    </>
  )
}

/** Number of what needs attention on a page. */
function Badge({
  model: { problems, processes },
  path,
}: {
  readonly model: FleetModel
  readonly path: string
}): JSX.Element | null {
  const number =
    path === 'overview'
      ? problems.filter(({ severity }) => severity !== 'info').length
      : path === 'alerts'
        ? processes.reduce(
            (sum, { alerts }) =>
              sum +
              alerts.flatMap((one) => one.alerts).filter(({ state, isSilenced }) => state === 'firing' && !isSilenced).length,
            0,
          )
        : 0
  return number === 0 ? null : (
    <span class="badge">
      {number}
      <span class="hidden"> need attention</span>
    </span>
  )
}

function Connection(): JSX.Element {
  const { state, since } = connection.value
  return (
    <span class="connection" role="status">
      {state === 'live' && <Status level="good">live</Status>}
      {state === 'polling' && <Status level="info">every 5 s</Status>}
      {state === 'connecting' && <Status level="unknown">connecting</Status>}
      {state === 'stale' && <Status level="critical">stale since {clock(since)}</Status>}
    </span>
  )
}

function Answering({ model: { processes } }: { readonly model: FleetModel }): JSX.Element {
  const answering = processes.filter(({ state }) => state === 'answers').length
  const isAll = answering === processes.length
  return (
    <a class="answering" href={isAll ? to('processes') : `${to('processes')}?q=silent`}>
      {answering} of {processes.length} processes answer
    </a>
  )
}

function User(): JSX.Element {
  const { user = '', canWrite = false, canLogout = false } = session.value ?? {}
  async function leave(): Promise<void> {
    await post('logout', {})
    session.value = await readSession()
  }
  return (
    <span class="user">
      <bdi>{clean(user, 40)}</bdi> <b>{canWrite ? 'may write' : 'read-only'}</b>
      {canLogout && (
        <button type="button" class="quiet" onClick={leave}>
          Log out
        </button>
      )}
    </span>
  )
}
