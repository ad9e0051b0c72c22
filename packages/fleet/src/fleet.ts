import { ADMIN_PATH } from '@sd/admin'
import { checkKnownKeys, checkObject, checkServiceName, invalidError, type OperationOptions, SdError } from '@sd/core'
import { explainService, type ServiceFinding } from './explain.ts'
import { FleetState } from './fleet-state.ts'
import type { FleetModel, TrafficPoint } from './model.ts'
import { type FleetOptions, resolveFleetOptions } from './options.ts'
import { createPoller } from './poller.ts'
import { createAdminClient } from './process/admin-client.ts'
import { maxAnswerBytes } from './process/ask-views.ts'
import type { Target } from './process/targets.ts'
import { RegistryView } from './registry/registry-view.ts'
import type { TrafficRef } from './traffic/traffic-store.ts'
import { createWatches } from './watches.ts'

/** Time limit of a change, in milliseconds: it may wait for a backend. */
const changeTimeoutMs = 10_000
/** Visible ASCII without query and fragment, and no segment that leads elsewhere. `encodeURIComponent` encodes no dots. */
const adminPath = /^(?!.*\/\.{1,2}(?:\/|$))(?!.*%2e)\/[\w!$%&'()*+,./:;=@~-]{0,2000}$/i

/** Options of {@link Fleet.explain}. */
export interface ExplainOptions extends OperationOptions {
  /** Asks only callers of this service, or this process by id or name. @default all callers */
  readonly from?: string | undefined
}

/** A fleet as a model. It polls only while it is watched, or refreshed. */
export interface Fleet extends AsyncDisposable {
  /** The last model; `at` is 0 before the first poll. */
  readonly model: FleetModel
  /**
   * Reads the registry and asks every process once. @returns the model after it
   *
   * @throws SdError `SD_CLOSED`; a registry or process that can't be read is part of the model
   */
  refresh(): Promise<FleetModel>
  /**
   * Yields a model after every poll, and at once the last one if it is younger than two intervals. A slow reader gets only the
   * newest. All watches share one poller. It ends on abort and close.
   */
  watch(options?: OperationOptions): AsyncIterable<FleetModel>
  /**
   * Asks the callers of a service how they see it.
   *
   * @throws SdError `SD_INVALID` for the name, `SD_CLOSED`
   */
  explain(service: string, options?: ExplainOptions): Promise<ServiceFinding>
  /** Traffic of the last minutes in steps of 5 seconds, oldest first, as seen by the processes that were polled. */
  history(ref: TrafficRef): readonly TrafficPoint[]
  /**
   * Reads from the admin endpoint of a process. The answer is not validated: treat it as text from outside.
   *
   * @param processId id or name of the process
   * @param path path below `/sd/v1`, such as `/slow` or `/samples`
   * @param query parameters of the query
   * @throws SdError `SD_NOT_FOUND` for an unknown process or path; `SD_UNAVAILABLE`, `SD_TIMEOUT`, `SD_DENIED`, `SD_TOO_LARGE`
   */
  ask(processId: string, path: string, query?: Readonly<Record<string, string>>): Promise<unknown>
  /**
   * Changes something in a process, which must permit it. It is sent once.
   *
   * @param body JSON, with the reason of the change
   * @returns the answer of the process
   * @throws SdError as {@link Fleet.ask}; `SD_UNSUPPORTED` if the process does not permit it, `SD_CONFLICT`
   */
  change(processId: string, path: string, body: object): Promise<unknown>
  /** Ends watches and polls, and closes connections. The registry stays open. Idempotent. */
  close(): Promise<void>
}

/** Creates the model of a fleet. Nothing is read before it is watched or refreshed. @throws SdError `SD_INVALID` that names the option */
export function createFleet(options: FleetOptions): Fleet {
  const resolved = resolveFleetOptions(options)
  const { source, services, maxServices, onError, allowedNetworks, token, tls, allowInsecure, intervalMs } = resolved
  const registry = new RegistryView({ source, services, maxServices, onError })
  const client = createAdminClient({ networks: allowedNetworks, token, tls, allowInsecure, onError })
  const state = new FleetState(resolved, registry)
  const closing = new AbortController()
  const poller = createPoller({
    options: resolved,
    state,
    registry,
    client,
    publish: (model) => watches.offer(model),
  })
  const watches = createWatches({
    hold: () => poller.hold(),
    recent: () => (Date.now() - state.model.at < 2 * intervalMs ? state.model : undefined),
  })

  function checkOpen(): void {
    if (closing.signal.aborted) throw new SdError('SD_CLOSED', 'The fleet is closed')
  }

  function targetOf(processId: string): Target | undefined {
    const { entries, processes } = state.joined
    const known = entries.get(processId)
    if (known) return known.target
    const named = processes.filter(({ name }) => name === processId)
    return named.length === 1 && named[0] ? entries.get(named[0].processId)?.target : undefined
  }

  async function findTarget(processId: string): Promise<Target> {
    checkOpen()
    if (state.model.at === 0) await poller.refresh()
    const target = targetOf(processId)
    if (!target) throw new SdError('SD_NOT_FOUND', `No process has the id or the unique name ${JSON.stringify(processId)}`)
    return target
  }

  async function send(processId: string, path: string, query: Readonly<Record<string, string>>, body?: object): Promise<unknown> {
    if (!adminPath.test(path)) throw invalidError('path', path, 'a path below /sd/v1 that begins with a slash, without a query')
    const target = await findTarget(processId)
    const search = new URLSearchParams(query).toString()
    const response = await client.send(target, {
      path: `${ADMIN_PATH}${path}${search === '' ? '' : `?${search}`}`,
      maxBytes: maxAnswerBytes,
      timeoutMs: body ? changeTimeoutMs : resolved.requestTimeoutMs,
      signal: closing.signal,
      ...(body && { method: 'POST', body }),
    })
    return response.body
  }

  async function close(): Promise<void> {
    closing.abort()
    poller.close()
    watches.close()
    client.close()
  }

  return {
    get model() {
      return state.model
    },
    async refresh() {
      checkOpen()
      return poller.refresh()
    },
    watch: (watchOptions = {}) => ({ [Symbol.asyncIterator]: () => watches.open(watchOptions) }),
    async explain(service, explainOptions = {}) {
      checkServiceName('service', service)
      checkKnownKeys('options', checkObject('options', explainOptions), ['from', 'signal'])
      checkOpen()
      if (state.model.at === 0) await poller.refresh()
      const { nameOf } = state
      return explainService(service, explainOptions.from, state, {
        client,
        targetOf,
        views: state.views,
        nameOf: nameOf.bind(state),
        timeoutMs: resolved.requestTimeoutMs,
        signal: explainOptions.signal ?? closing.signal,
      })
    },
    history: (ref) => state.traffic.history(ref, Date.now()),
    ask: (processId, path, query = {}) => send(processId, path, query),
    change: (processId, path, body) => send(processId, path, {}, checkObject('body', body)),
    close,
    [Symbol.asyncDispose]: close,
  }
}
