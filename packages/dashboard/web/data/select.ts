import type { FleetChange, FleetEdge, FleetInstance, FleetModel, FleetProcess, FleetService, Problem, Ref } from '@sd/fleet'
import { count, listing } from './format.ts'
import { to } from './route.ts'

// What pages derive from the model.

/** Whether an instance gets traffic of all, some or none of its callers. */
export type Reach = 'all' | 'some' | 'none' | 'unknown'

/** Whether an instance gets traffic. */
export function reachOf({ views }: FleetInstance): Reach {
  if (views.length === 0) return 'unknown'
  const gets = views.filter((view) => view.gets).length
  return gets === views.length ? 'all' : gets === 0 ? 'none' : 'some'
}

/** Why an instance gets traffic or not, in a sentence. */
export function explainReach(instance: FleetInstance): string {
  const { instanceId, views } = instance
  const without = views.filter(({ gets }) => !gets)
  const reasons = [...new Set(without.map(({ reason = 'no reason given' }) => reason))]
  const callers = count(views.length, 'caller')
  switch (reachOf(instance)) {
    case 'unknown':
      return `No process with an admin endpoint calls ${instanceId}.`
    case 'all':
      return `${instanceId} gets traffic from ${views.length === 1 ? 'its only caller' : `all ${callers}`}.`
    case 'none':
      return `${instanceId} gets nothing from ${views.length === 1 ? 'its only caller' : `all ${callers}`}: ${reasons.join('; ')}.`
    default:
      return `${instanceId} gets traffic from ${views.length - without.length} of ${callers}; not from ${listing(
        without.map(({ caller }) => caller),
      )}: ${reasons.join('; ')}.`
  }
}

/** Number of healthy instances. */
export function healthyOf({ instances }: FleetService): number {
  return instances.filter(({ health }) => health === 'healthy').length
}

/** The worst problem about a service, and its instances. */
export function problemsOf({ problems }: FleetModel, about: Ref): readonly Problem[] {
  return problems.filter((problem) => isAbout(problem.about, about))
}

/** Changes about something. */
export function changesOf({ changes }: FleetModel, about: Ref): readonly FleetChange[] {
  return changes.filter((change) => isAbout(change.about, about))
}

function isAbout(given: Ref, wanted: Ref): boolean {
  return (Object.keys(wanted) as (keyof Ref)[]).every((key) => wanted[key] === undefined || given[key] === wanted[key])
}

/** The page that is about something. */
export function pageOf(about: Ref): string {
  const { service, instanceId, processId, config, rule, gateway } = about
  if (config !== undefined) return `${to('configuration')}?q=${encodeURIComponent(config)}`
  if (rule !== undefined) return to('alerts')
  if (gateway !== undefined) return to('gateways')
  if (service !== undefined && instanceId !== undefined) return to('services', service, instanceId)
  if (service !== undefined) return to('services', service)
  return processId === undefined ? to('overview') : to('processes', processId)
}

/** A node of the graph. */
export interface GraphNode {
  readonly name: string
  /** The service; absent for a process that registers nothing. */
  readonly service: FleetService | undefined
}

/** A part of the graph. */
export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly FleetEdge[]
}

/** Whether there were calls in the last minute. */
export function isIdle({ traffic }: Pick<FleetEdge, 'traffic'>): boolean {
  return traffic.perSecond === 0
}

/** Whether more than one call in a hundred fails. */
export function isFailing({ traffic }: Pick<FleetEdge, 'traffic'>): boolean {
  return traffic.failedShare > 0.01
}

/** The edges around a service, up to a distance; all edges without a service. */
export function graphAround(
  { services, edges }: FleetModel,
  { focus, distance, withIdle }: { readonly focus: string; readonly distance: number; readonly withIdle: boolean },
): Graph {
  const shown = edges.filter((edge) => withIdle || !isIdle(edge))
  const names = new Set(focus === '' ? services.map(({ service }) => service) : [focus])
  for (let step = 0; focus !== '' && step < distance; step++) {
    const reached = shown.filter(({ from, to: callee }) => names.has(from) || names.has(callee))
    for (const { from, to: callee } of reached) names.add(from).add(callee)
  }
  const inside = shown.filter(({ from, to: callee }) => (focus === '' ? true : names.has(from) && names.has(callee)))
  for (const { from, to: callee } of inside) names.add(from).add(callee)
  const known = new Map(services.map((service) => [service.service, service]))
  const used = new Set(inside.flatMap(({ from, to: callee }) => [from, callee]))
  const nodes = [...names].filter((name) => focus !== '' || withIdle || used.has(name))
  return { nodes: nodes.sort().map((name) => ({ name, service: known.get(name) })), edges: inside }
}

/** A process by its id. */
export function processOf({ processes }: FleetModel, processId: string | undefined): FleetProcess | undefined {
  return processes.find((process) => process.processId === processId)
}

/** The median of values; `undefined` without values. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}
