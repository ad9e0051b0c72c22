import { type JSX, render } from 'preact'
import { useEffect } from 'preact/hooks'
import { readSession } from './data/api.ts'
import { follow } from './data/live.ts'
import { route, to } from './data/route.ts'
import { connection, model, session } from './data/state.ts'
import { AlertsPage } from './pages/alerts.tsx'
import { ConfigEntry } from './pages/config-entry.tsx'
import { Configuration } from './pages/configuration.tsx'
import { Events } from './pages/events.tsx'
import { Gateways } from './pages/gateways.tsx'
import { GraphPage } from './pages/graph.tsx'
import { Instance } from './pages/instance.tsx'
import { Locks } from './pages/locks.tsx'
import { Login } from './pages/login.tsx'
import { Overview } from './pages/overview.tsx'
import { ProcessPage } from './pages/process.tsx'
import { Performance, Processes } from './pages/processes.tsx'
import { Service } from './pages/service.tsx'
import { Services } from './pages/services.tsx'
import { Empty, Title } from './parts/basics.tsx'
import { DialogHost } from './parts/dialog.tsx'
import { Shell } from './parts/shell.tsx'

/** Time between two tries to reach the server at the start, in milliseconds. */
const retryMs = 2_000

function Page(): JSX.Element {
  const { value } = model
  const [page = 'overview', first, second] = route.value.parts
  // The model of a fleet that was not polled yet is empty.
  if (!value || value.at === 0)
    return (
      <>
        <Title>Fleet</Title>
        <Empty>
          {connection.value.state === 'stale'
            ? 'The server does not answer. This page tries again by itself.'
            : 'Reading the fleet…'}
        </Empty>
      </>
    )
  switch (page) {
    case 'overview':
      return <Overview model={value} />
    case 'services':
      if (first === undefined) return <Services model={value} />
      if (second === undefined) return <Service key={first} model={value} name={first} />
      return <Instance key={`${first} ${second}`} model={value} name={first} instanceId={second} />
    case 'graph':
      return <GraphPage model={value} />
    case 'configuration':
      if (first === undefined || second === undefined) return <Configuration model={value} />
      return <ConfigEntry key={`${first} ${second}`} model={value} source={first} name={second} />
    case 'processes':
      return first === undefined ? <Processes model={value} /> : <ProcessPage key={first} model={value} processId={first} />
    case 'performance':
      return <Performance model={value} />
    case 'alerts':
      return <AlertsPage model={value} />
    case 'locks':
      return <Locks model={value} />
    case 'events':
      return <Events model={value} />
    case 'gateways':
      return <Gateways model={value} />
    default:
      return (
        <>
          <Title>Not found</Title>
          <Empty>
            There is no such page. <a href={to('overview')}>Overview</a>
          </Empty>
        </>
      )
  }
}

function App(): JSX.Element {
  const isIn = session.value?.user !== undefined
  useEffect(() => (isIn ? follow() : undefined), [isIn])
  if (!session.value) return <main class="login">Reading…</main>
  if (!isIn) return <Login />
  return (
    <>
      <Shell model={model.value}>
        <Page />
      </Shell>
      <DialogHost />
    </>
  )
}

async function begin(): Promise<void> {
  try {
    session.value = await readSession()
  } catch {
    setTimeout(begin, retryMs)
  }
}

void begin()
render(<App />, document.getElementById('page') as HTMLElement)
