import { type ClusterExplanation, type Endpoint, formatOut, guardListener, type SdError } from '@sd/core'
import { withoutQuery } from '../message/request-check.ts'

/** What happened during a call. */
export type CallStepKind = 'refused' | 'picked' | 'responded' | 'failed' | 'retry' | 'hedge' | 'fallback'

/** One step of a call. */
export interface CallStep {
  /** Time since the call started, in milliseconds. */
  readonly atMs: number
  /** What happened. */
  readonly step: CallStepKind
  /** Number of the attempt, from 1, if the step belongs to one. */
  readonly attempt?: number | undefined
  /** Origin of the endpoint, such as `http://10.0.0.1:8080`, if the step belongs to one. */
  readonly origin?: string | undefined
  /** Details: a status, a policy's name, a delay, an error. */
  readonly detail?: string | undefined
}

/** Everything that happened during a call, and why. */
export interface CallExplanation {
  /** Name of the service. */
  readonly service: string
  /** HTTP method in upper case. */
  readonly method: string
  /** Path without its query, which may hold secrets. */
  readonly path: string
  /** Which endpoints were kept or dropped, and by which rule, at the first pick. Absent if the call ended before a pick. */
  readonly cluster?: ClusterExplanation | undefined
  /** The steps, in order. */
  readonly steps: readonly CallStep[]
  /** Status of the response that the caller received, if any. */
  readonly status?: number | undefined
  /** The error that the caller received. */
  readonly error?: SdError | undefined
  /** Time until the end of the body, in milliseconds. */
  readonly durationMs: number
}

/** Records the steps of one call. */
export interface CallRecorder {
  /** Records a step. */
  note(step: CallStepKind, about?: { attempt?: number; endpoint?: Endpoint; detail?: string | undefined }): void
  /** Records the cluster, unless one is recorded already. */
  noteCluster(explain: () => ClusterExplanation): void
  /** Passes the explanation to its listener. */
  finish(end: Pick<CallExplanation, 'service' | 'method' | 'path' | 'status' | 'error'>): void
}

/** Creates a recorder. An exception in `onExplained` becomes a warning and does not affect the call. */
export function createRecorder(onExplained: (explanation: CallExplanation) => void): CallRecorder {
  const tell = guardListener('explain', onExplained)
  const startedAt = performance.now()
  const steps: CallStep[] = []
  let cluster: ClusterExplanation | undefined
  const elapsed = (): number => Math.round((performance.now() - startedAt) * 10) / 10
  return {
    note(step, { attempt, endpoint, detail } = {}) {
      steps.push({ atMs: elapsed(), step, attempt, origin: endpoint?.origin, detail })
    },
    noteCluster(explain) {
      cluster ??= explain()
    },
    finish(end) {
      tell({ ...end, path: withoutQuery(end.path), cluster, steps, durationMs: elapsed() })
    },
  }
}

/** Formats an explanation as text: a line for each endpoint and step. */
export function formatExplanation({ service, method, path, cluster, steps, status, error, durationMs }: CallExplanation): string {
  const endpoints = (cluster?.endpoints ?? []).map(({ endpoint, weight, dropped, outs }) => {
    const reason = dropped ? `dropped by ${dropped}` : `kept, weight ${Math.round(weight * 100) / 100}`
    const out = outs.map((one) => `; ${formatOut(one)}`).join('')
    return `  ${endpoint.origin} (${endpoint.instance.id}) ${reason}${out}`
  })
  const lines = steps.map(({ atMs, step, attempt, origin, detail }) =>
    [`  ${atMs} ms`, step, attempt && `attempt ${attempt}`, origin, detail].filter(Boolean).join(' '),
  )
  const panic = cluster?.isPanic ? ['  panic: too few healthy instances, so all are used'] : []
  const held = cluster?.held ? [`  held: ${cluster.held.instanceIds.length} instances, ${cluster.held.reason}`] : []
  const end = error ? `${error.code}: ${error.message}` : status
  return [`${method} ${service}${path}`, ...panic, ...held, ...endpoints, ...lines, `  ${durationMs} ms ${end}`].join('\n')
}
