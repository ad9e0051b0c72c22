import { ADMIN_PATH } from '@sd/admin'
import type { ClusterAnswer } from '@sd/core'
import type { CallerView, ViewStore } from '../join/views.ts'
import type { FleetProcess } from '../model.ts'
import { readCluster } from '../wire/read-answers.ts'
import { list } from '../wire/shape.ts'
import type { AdminClient } from './admin-client.ts'
import { forEachLimited } from './poll.ts'
import type { Target } from './targets.ts'

/** Largest answer about the endpoints of one service. */
export const maxAnswerBytes: number = 4 * 1_024 * 1_024
/** Time after which a caller is asked again while polling, in milliseconds. */
const askEveryMs = 10_000
/** Most callers that are asked in one poll. */
const maxPerPoll = 16

/** A caller and a service as it names it. */
interface Doubt {
  readonly process: FleetProcess
  readonly service: string
}

/** Options of {@link askViews}. */
export interface AskViewsOptions {
  readonly client: AdminClient
  readonly views: ViewStore
  readonly targetOf: (processId: string) => Target | undefined
  readonly nameOf: (called: string) => string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Asks how a process sees the endpoints of a service. @throws SdError see `AdminClient.send` */
export async function askView(process: FleetProcess, service: string, options: AskViewsOptions): Promise<CallerView | undefined> {
  const { client, views, targetOf, nameOf, timeoutMs, signal } = options
  const { processId, name, clockOffsetMs } = process
  const target = targetOf(processId)
  if (!target) return undefined
  const path = `${ADMIN_PATH}/endpoints?service=${encodeURIComponent(service)}`
  const { body } = await client.send(target, { path, maxBytes: maxAnswerBytes, timeoutMs, signal })
  const [cluster] = readClusters(body)
  if (!cluster) return undefined
  const at = Date.now()
  const view: CallerView = { processId, caller: name, cluster, at, clock: at - clockOffsetMs }
  views.set(nameOf(service), view)
  return view
}

function readClusters(body: unknown): readonly ClusterAnswer[] {
  return list(readCluster, 10)((body as { readonly answers?: unknown } | null)?.answers, 'answers')
}

/**
 * Asks callers that exclude an endpoint why they do: at most 16 of them in one poll, and each one every 10 seconds. A failure is
 * seen in the next poll of the process.
 */
export async function askDoubts(processes: readonly FleetProcess[], options: AskViewsOptions): Promise<void> {
  const now = Date.now()
  const doubts = processes.filter(({ state }) => state === 'answers').flatMap(doubtsOf)
  const due = doubts.filter(({ process, service }) => {
    const askedAt = options.views.askedAt(options.nameOf(service), process.processId)
    return askedAt === undefined || now - askedAt >= askEveryMs
  })
  await forEachLimited(due.slice(0, maxPerPoll), maxPerPoll, async ({ process, service }) => {
    await askView(process, service, options).catch(() => undefined)
  })
}

function doubtsOf(process: FleetProcess): readonly Doubt[] {
  return process.states.flatMap((state) => {
    if (state.kind !== 'cluster') return []
    const { service, out, eligible, isPanic, held } = state
    return out > 0 || eligible === 0 || isPanic || held > 0 ? { process, service } : []
  })
}
