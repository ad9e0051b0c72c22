import { ADMIN_PATH } from '@sd/admin'
import { type CallsAnswer, type ClusterAnswer, toWireError, type WireError } from '@sd/core'
import type { FleetState } from './fleet-state.ts'
import { indexByInstance } from './join/views.ts'
import type { FleetInstance, FleetProcess, InstanceView, Problem, Traffic } from './model.ts'
import { type AskViewsOptions, askView, maxAnswerBytes } from './process/ask-views.ts'
import { forEachLimited } from './process/poll.ts'
import { groupBy, list, many, quoted, short } from './rules/words.ts'
import { readCalls } from './wire/read-answers.ts'
import { list as readList } from './wire/shape.ts'

/** Most callers that are asked about a service. */
const maxCallers = 256
const concurrency = 16

/** Why a service gets traffic or not. Plain JSON data. */
export interface ServiceFinding {
  readonly service: string
  /** When the callers had answered, in Unix milliseconds. */
  readonly at: number
  /** Whether the registry lists an instance of it. */
  readonly isRegistered: boolean
  /** The answer in one sentence. */
  readonly text: string
  /** The instances that the registry lists. */
  readonly instances: readonly InstanceFinding[]
  /** The processes that were asked, by name. */
  readonly callers: readonly CallerFinding[]
  /** Whether callers see different instances, or choose among them differently. */
  readonly callersDiffer: boolean
  /** Callers beyond the limit of 256, which were not asked. */
  readonly omittedCallers: number
  /** Problems that are about this service, its instances or its callers. */
  readonly problems: readonly Problem[]
}

/** Why an instance gets traffic or not. */
export interface InstanceFinding {
  readonly instance: FleetInstance
  /** In one sentence, such as `gets traffic from all 4 callers`. */
  readonly text: string
  /** Callers by the reason why they send nothing. */
  readonly reasons: readonly { readonly reason: string; readonly callers: readonly string[] }[]
}

/** How one caller sees the service. */
export interface CallerFinding {
  /** Id of the process. */
  readonly processId: string
  /** Name of the process. */
  readonly caller: string
  /** Its calls of the last minute. */
  readonly traffic: Traffic
  /** Its endpoints; absent if it did not answer. */
  readonly cluster?: ClusterAnswer | undefined
  /** Its balancer, policies and settings; absent if it has no client, or did not answer. */
  readonly calls?: CallsAnswer | undefined
  /** Why it could not be asked. */
  readonly error?: WireError | undefined
}

/** Asks all callers of a service, or those of one service or process, how they see it. */
export async function explainService(
  service: string,
  from: string | undefined,
  state: FleetState,
  options: AskViewsOptions,
): Promise<ServiceFinding> {
  const found = findCallers(service, from, state)
  const asked = found.slice(0, maxCallers)
  const callers: CallerFinding[] = []
  await forEachLimited(asked, concurrency, async (caller) => {
    callers.push(await askCaller(service, caller, state, options))
  })
  callers.sort((a, b) => (a.caller < b.caller ? -1 : 1))
  const model = state.update(Date.now())
  const known = model.services.find((one) => one.service === service)
  const answered = callers.filter(({ cluster }) => cluster !== undefined)
  const views = indexByInstance(
    state.views.of(service, model.at).filter(({ processId }) => answered.some((one) => one.processId === processId)),
  )
  const instances = (known?.instances ?? []).map((instance) =>
    explainInstance({ ...instance, views: views.get(instance.instanceId) ?? [] }, answered.length),
  )
  return {
    service,
    at: model.at,
    isRegistered: known?.isRegistered ?? false,
    text: summarise(service, instances, callers, answered.length),
    instances,
    callers,
    callersDiffer: differ(answered),
    omittedCallers: found.length - asked.length,
    problems: model.problems.filter(({ about }) => about.service === service),
  }
}

interface Caller {
  readonly process: FleetProcess
  /** What it calls the service, such as `orders` or `orders:admin`. */
  readonly names: readonly string[]
}

/** The processes that have a cluster of the service. */
function findCallers(service: string, from: string | undefined, state: FleetState): readonly Caller[] {
  return state.model.processes.flatMap((process) => {
    const isWanted =
      from === undefined ||
      process.processId === from ||
      process.name === from ||
      process.services.some((own) => own.service === from || own.instanceId === from)
    const names = process.states.flatMap((one) =>
      one.kind === 'cluster' && state.nameOf(one.service) === service ? one.service : [],
    )
    return isWanted && names.length > 0 ? { process, names: [...new Set(names)] } : []
  })
}

async function askCaller(
  service: string,
  { process, names }: Caller,
  state: FleetState,
  options: AskViewsOptions,
): Promise<CallerFinding> {
  const { processId, name: caller } = process
  const traffic = state.traffic.pair(processId, service, Date.now())
  const called = names.includes(service) ? service : (names[0] as string)
  try {
    const [view, calls] = await Promise.all([askView(process, called, options), askCalls(process, called, options)])
    return { processId, caller, traffic, cluster: view?.cluster, calls }
  } catch (error) {
    return { processId, caller, traffic, error: toWireError(error) }
  }
}

async function askCalls(process: FleetProcess, service: string, options: AskViewsOptions): Promise<CallsAnswer | undefined> {
  const target = options.targetOf(process.processId)
  if (!target) return undefined
  const path = `${ADMIN_PATH}/calls?service=${encodeURIComponent(service)}`
  const { timeoutMs, signal } = options
  const { body } = await options.client.send(target, { path, maxBytes: maxAnswerBytes, timeoutMs, signal })
  const [calls] = readList(readCalls, 10)((body as { readonly answers?: unknown } | null)?.answers, 'answers')
  return calls
}

function explainInstance(instance: FleetInstance, callers: number): InstanceFinding {
  const excluded = instance.views.filter(({ gets }) => !gets)
  const reasons = [...groupBy(excluded, reasonKind)].map(([, views]) => ({
    reason: views[0]?.reason ?? 'unknown',
    callers: views.map(({ caller }) => caller),
  }))
  return { instance, reasons, text: describeInstance(instance, reasons, callers) }
}

/** The reason without its times, which differ by caller. */
function reasonKind({ reason = '' }: InstanceView): string {
  return reason.replace(/, since .*$/s, '')
}

function describeInstance(
  { views, health, healthMessage }: FleetInstance,
  reasons: InstanceFinding['reasons'],
  callers: number,
): string {
  const registered = health === 'healthy' || health === 'unknown' ? '' : `; the registry says ${health}${quoted(healthMessage)}`
  if (callers === 0) return `no caller was asked${registered}`
  const getting = views.filter(({ gets }) => gets).length
  const unaware = callers - views.length
  const missing = unaware > 0 ? `; ${many(unaware, 'caller')} ${unaware === 1 ? 'does' : 'do'} not know it` : ''
  const all = (count: number): string =>
    count === callers ? `all ${many(callers, 'caller')}` : `${count} of ${many(callers, 'caller')}`
  if (reasons.length === 0)
    return `${getting === 0 ? 'gets nothing' : `gets traffic from ${all(getting)}`}${missing}${registered}`
  const why = reasons
    .map(({ reason, callers: names }) => (names.length === callers ? reason : `${reason} (${list(names)})`))
    .join('; ')
  const from = getting === 0 ? `gets nothing from ${all(views.length)}` : `gets traffic from ${all(getting)}`
  return `${from}: ${why}${missing}${registered}`
}

function summarise(
  service: string,
  instances: readonly InstanceFinding[],
  callers: readonly CallerFinding[],
  answered: number,
): string {
  const name = short(service)
  const called =
    callers.length === 0
      ? 'no process with an admin endpoint calls it'
      : `${answered} of ${many(callers.length, 'caller')} answered`
  if (instances.length === 0) return `No instance of ${name} is registered; ${called}.`
  const getting = instances.filter(({ instance }) => instance.views.some(({ gets }) => gets)).length
  const part =
    answered === 0 ? '' : `, ${getting === instances.length ? 'all get' : getting === 1 ? '1 gets' : `${getting} get`} traffic`
  return `${name} has ${many(instances.length, 'instance')}${part}; ${called}.`
}

/** Whether callers know other instances than each other, or exclude others. */
function differ(callers: readonly CallerFinding[]): boolean {
  const seen = new Set(
    callers.map(({ cluster }) =>
      (cluster?.endpoints ?? [])
        .map(({ instanceId, dropped }) => `${instanceId}\n${dropped ?? ''}`)
        .sort()
        .join('\n\n'),
    ),
  )
  return seen.size > 1
}
