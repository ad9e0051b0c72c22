import { graphlib, layout } from '@dagrejs/dagre'
import type { FleetEdge, FleetModel } from '@sd/fleet'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import { clean, count, latency, percent, rate } from '../data/format.ts'
import { parameter, setParameters, to } from '../data/route.ts'
import { type Graph, graphAround, healthyOf, isFailing, isIdle } from '../data/select.ts'
import { Empty, Section, Status, Text, Title } from '../parts/basics.tsx'
import { type Column, Table } from '../parts/table.tsx'

/** Nodes that a drawing may have. With more, no one finds anything in it. */
const mostNodes = 60

/** Who calls whom, and where does it break? */
export function GraphPage({ model }: { readonly model: FleetModel }): JSX.Element {
  const isWhole = parameter('all') === 'yes'
  const focus = isWhole ? '' : parameter('focus') || defaultFocus(model)
  const distance = parameter('distance') === '2' ? 2 : 1
  const withIdle = parameter('idle') === 'yes'
  const graph = graphAround(model, { focus, distance, withIdle })
  const isKnown = focus === '' || graph.nodes.some(({ name, service }) => name !== focus || service) || graph.edges.length > 0
  return (
    <>
      <Title>Graph</Title>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        <label>
          Around
          <input
            list="services"
            value={focus}
            placeholder="a service"
            onChange={({ currentTarget }) => setParameters({ focus: currentTarget.value, all: '' })}
          />
        </label>
        <datalist id="services">
          {model.services.slice(0, 500).map(({ service }) => (
            <option key={service} value={service} />
          ))}
        </datalist>
        <label>
          Distance
          <select value={distance} onChange={({ currentTarget }) => setParameters({ distance: currentTarget.value })}>
            <option value="1">neighbours</option>
            <option value="2">their neighbours too</option>
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={isWhole}
            onChange={({ currentTarget }) => setParameters({ all: currentTarget.checked ? 'yes' : '' })}
          />
          all services
        </label>
        <label>
          <input
            type="checkbox"
            checked={withIdle}
            onChange={({ currentTarget }) => setParameters({ idle: currentTarget.checked ? 'yes' : '' })}
          />
          without calls too
        </label>
      </form>
      {!isKnown && <Empty>No service or caller has the name {clean(focus, 80)}.</Empty>}
      {isKnown && graph.nodes.length > mostNodes && (
        <Empty>
          {count(graph.nodes.length, 'node')} are too many to draw: choose a service to see its neighbours. The list below has
          every call.
        </Empty>
      )}
      {isKnown && graph.nodes.length <= mostNodes && <Drawing graph={graph} focus={focus} />}
      <Section title="Calls" aside={count(graph.edges.length, 'connection')}>
        <Table
          name="Calls"
          rows={graph.edges}
          keyOf={({ from, to: callee }) => `${from} ${callee}`}
          columns={columns}
          empty={
            <Empty>
              {model.edges.length === 0
                ? 'No call was seen. Callers appear here once they have an admin endpoint that answers.'
                : 'No call in the last minute. Choose “without calls too” to see idle and declared connections.'}
            </Empty>
          }
        />
      </Section>
    </>
  )
}

/** The service with the most problems, then with the most calls. */
function defaultFocus({ services, problems }: FleetModel): string {
  const about = problems.find(({ about: { service } }) => services.some((one) => one.service === service))?.about.service
  return about ?? services.toSorted((a, b) => b.traffic.perSecond - a.traffic.perSecond)[0]?.service ?? ''
}

const kinds = { observed: 'called, not declared', declared: 'declared, not called', both: 'called and declared' }

const columns: readonly Column<FleetEdge>[] = [
  {
    name: 'From',
    cell: ({ from }) => (
      <a href={to('services', from)}>
        <Text of={from} longest={60} />
      </a>
    ),
    sort: ({ from }) => from,
  },
  {
    name: 'To',
    cell: ({ to: callee }) => (
      <a href={to('services', callee)}>
        <Text of={callee} longest={60} />
      </a>
    ),
    sort: ({ to: callee }) => callee,
  },
  { name: 'Calls/s', isNumber: true, cell: ({ traffic }) => rate(traffic.perSecond), sort: ({ traffic }) => traffic.perSecond },
  {
    name: 'Failed',
    isNumber: true,
    cell: (edge) =>
      isFailing(edge) ? <Status level="critical">{percent(edge.traffic.failedShare)}</Status> : percent(edge.traffic.failedShare),
    sort: ({ traffic }) => traffic.failedShare,
  },
  { name: 'p99', isNumber: true, cell: ({ traffic }) => latency(traffic.p99Ms), sort: ({ traffic }) => traffic.p99Ms ?? -1 },
  { name: 'Declared', cell: ({ kind }) => kinds[kind], sort: ({ kind }) => kind },
]

const nodeHeight = 40
/** Room for the text of an edge. */
const labelSize = { width: 132, height: 16, labelpos: 'c' }

/** A drawing of the graph. It has no text that the list below lacks, so screen readers skip it. */
function Drawing({ graph, focus }: { readonly graph: Graph; readonly focus: string }): JSX.Element | null {
  const { nodes, edges } = graph
  // The layout depends on names only: rates change each second, positions must not.
  const shape = JSON.stringify([nodes.map(({ name }) => name), edges.map(({ from, to: callee }) => [from, callee])])
  const placed = useMemo(() => place(graph), [shape])
  if (nodes.length === 0) return null
  return (
    <div class="drawing">
      <svg aria-hidden="true" viewBox={`0 0 ${placed.width} ${placed.height}`} width={placed.width} height={placed.height}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0 8 4 0 8z" class="arrow" />
          </marker>
        </defs>
        {edges.map((edge) => {
          const key = `${edge.from} ${edge.to}`
          const at = placed.edges.get(key)
          if (!at) return null
          return (
            <g key={key} class={isFailing(edge) ? 'edge failing' : isIdle(edge) ? 'edge idle' : 'edge'}>
              <path d={at.path} marker-end="url(#arrow)" />
              {!isIdle(edge) && (
                <text x={at.x} y={at.y}>
                  {rate(edge.traffic.perSecond)}/s {latency(edge.traffic.p99Ms)}
                  {isFailing(edge) ? ` ✖ ${percent(edge.traffic.failedShare)}` : ''}
                </text>
              )}
            </g>
          )
        })}
        {nodes.map(({ name, service }) => {
          const at = placed.nodes.get(name)
          if (!at) return null
          const healthy = service ? healthyOf(service) : 0
          const all = service?.instances.length ?? 0
          const state = !service || all === 0 ? 'outside' : healthy === 0 ? 'bad' : healthy < all ? 'some' : ''
          return (
            <a key={name} href={to('services', name)} tabindex={-1}>
              <g
                class={`node ${state} ${name === focus ? 'focus' : ''}`}
                transform={`translate(${at.x - at.width / 2} ${at.y - nodeHeight / 2})`}
              >
                <rect width={at.width} height={nodeHeight} rx="6" />
                <text x={at.width / 2} y="17" class="name">
                  {shorten(name)}
                </text>
                <text x={at.width / 2} y="32" class="health">
                  {!service
                    ? 'only calls'
                    : all === 0
                      ? '✖ none registered'
                      : healthy < all
                        ? `▲ ${healthy} of ${all} healthy`
                        : `● ${all} healthy`}
                </text>
              </g>
            </a>
          )
        })}
      </svg>
    </div>
  )
}

interface Placed {
  readonly width: number
  readonly height: number
  readonly nodes: ReadonlyMap<string, { readonly x: number; readonly y: number; readonly width: number }>
  readonly edges: ReadonlyMap<string, { readonly path: string; readonly x: number; readonly y: number }>
}

function place({ nodes, edges }: Graph): Placed {
  const graph = new graphlib.Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 22, ranksep: 36, marginx: 10, marginy: 14 })
  graph.setDefaultEdgeLabel(() => ({}))
  // Names come from outside: numbers as ids keep names such as `__proto__` out of the library.
  const ids = new Map(nodes.map(({ name }, index) => [name, String(index)]))
  for (const { name } of nodes) graph.setNode(ids.get(name) as string, { width: widthOf(name), height: nodeHeight })
  for (const { from, to: callee } of edges)
    if (from !== callee) graph.setEdge(ids.get(from) as string, ids.get(callee) as string, { ...labelSize })
  layout(graph)
  const { width = 0, height = 0 } = graph.graph() as { readonly width?: number; readonly height?: number }
  return {
    width: Math.max(width, 200),
    height: Math.max(height, 60),
    nodes: new Map(
      nodes.map(({ name }) => {
        const { x, y } = graph.node(ids.get(name) as string) as { readonly x: number; readonly y: number }
        return [name, { x, y, width: widthOf(name) }]
      }),
    ),
    edges: new Map(
      edges.flatMap(({ from, to: callee }) => {
        if (from === callee) return []
        const { points, x, y } = graph.edge(ids.get(from) as string, ids.get(callee) as string) as {
          readonly points: readonly { readonly x: number; readonly y: number }[]
          readonly x: number
          readonly y: number
        }
        const path = points
          .map((point, index) => `${index === 0 ? 'M' : 'L'}${point.x.toFixed(1)} ${point.y.toFixed(1)}`)
          .join('')
        return [[`${from} ${callee}`, { path, x, y: y - 4 }]]
      }),
    ),
  }
}

function shorten(name: string): string {
  return clean(name, 24)
}

function widthOf(name: string): number {
  return Math.max(120, Math.min(shorten(name).length, 25) * 7.4 + 24)
}
