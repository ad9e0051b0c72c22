import { type CircuitBreaker, closedError, SdError, settlesWithin } from '@sd/core'
import type { Dispatcher } from 'undici'
import { Call } from './call/call.ts'
import { Collapser } from './call/collapse.ts'
import { createOpenCalls } from './call/open-calls.ts'
import { mayCollapse, toCallInit, toCollapsible } from './call/request-call.ts'
import type { MethodRequestOptions, RequestOptions, ServiceCall } from './call/request-options.ts'
import { createServiceDispatcher } from './dispatcher/service-dispatcher.ts'
import { type EventOptions, followEvents, type ServerSentEvent } from './fetch/event-stream.ts'
import { fetchService } from './fetch/fetch.ts'
import type { ForwardControl, ForwardHandler, ForwardRequest } from './forward/forward.ts'
import type { ForwardContext } from './forward/forward-init.ts'
import { forwardRequest } from './forward/forward-request.ts'
import { checkMethod } from './message/request-check.ts'
import type { ServiceResponse } from './message/service-response.ts'
import { createServiceEntries } from './services/service-entries.ts'
import type { ServiceEntry, ServiceExplanation } from './services/service-entry.ts'
import { resolveClientOptions, type ServiceClientOptions } from './settings/options.ts'
import type { ClientSettings, ServiceSettings } from './settings/settings.ts'
import type { Transport } from './transport/transport.ts'
import type { UndiciTransport } from './transport/undici-transport.ts'

/** Calls services by name. */
export interface ServiceClient extends AsyncDisposable {
  /**
   * Calls a service. The promise resolves with the head of the response, whatever its status; the body follows while it
   * is read.
   *
   * @param path with a leading slash, such as `/orders/1`
   * @throws SdError `SD_NO_INSTANCE`; `SD_REJECTED` if a policy rejected the call; `SD_UNAVAILABLE` if the connection
   * failed; `SD_DEADLINE_EXCEEDED`; `SD_ABORTED`; `SD_INVALID`; `SD_CLOSED`; the error of the discovery while the
   * service is not yet known
   */
  readonly request: ServiceCall<MethodRequestOptions>
  /** Sends a `GET`, see {@link ServiceClient.request}. */
  readonly get: ServiceCall
  /** Sends a `POST`, see {@link ServiceClient.request}. */
  readonly post: ServiceCall
  /** Sends a `PUT`, see {@link ServiceClient.request}. */
  readonly put: ServiceCall
  /** Sends a `PATCH`, see {@link ServiceClient.request}. */
  readonly patch: ServiceCall
  /** Sends a `DELETE`, see {@link ServiceClient.request}. */
  readonly delete: ServiceCall
  /**
   * Follows server-sent events. Reconnects with jittered backoff and `Last-Event-ID`, possibly to another endpoint.
   * Ends when the loop is left, on abort, or when the server responds with 204.
   *
   * @throws SdError while iterating: if the response is not an event stream, or `SD_CLOSED`
   */
  events(service: string, path: string, options?: EventOptions): AsyncIterable<ServerSentEvent>
  /** `fetch` for existing code: the host of the URL is the service name. Bound, so that it can be passed around. */
  readonly fetch: typeof globalThis.fetch
  /**
   * An undici dispatcher: `request('http://orders/1', { dispatcher })`; the host is the service name. Needs undici's
   * transport.
   */
  readonly dispatcher: Dispatcher
  /**
   * Passes a request on unchanged, for gateways and proxies: raw header fields both ways, the body pushed in chunks
   * with back-pressure, trailers, 1xx responses, reason phrase and upgrades. All policies of the client apply; time
   * limits are those of the request.
   *
   * @returns the control of the request: write its body, pause, abort
   * @throws SdError `SD_INVALID` that names the field, `SD_CLOSED`; the handler's `onError` receives all other errors
   */
  forward(request: ForwardRequest, handler: ForwardHandler): ForwardControl
  /**
   * Replaces the settings of all services, and those by service, for calls that begin from now on. Omitted settings
   * revert to their defaults; the balancer reverts to the one in the client options. A policy whose setting is the same
   * function or object as before keeps its state.
   *
   * @throws SdError `SD_INVALID` that names the field, `SD_CLOSED`, or the error that a policy factory throws; then
   * nothing has changed
   */
  configure(settings: ClientSettings): void
  /**
   * Replaces the settings of one service for calls that begin from now on; `undefined` removes them. @throws as {@link
   * ServiceClient.configure}
   */
  configureService(service: string, settings: ServiceSettings | undefined): void
  /**
   * The circuit breaker of a service, or of one of its instances, for manual intervention:
   * `client.breaker('orders')?.isolate()`. `undefined` if there is none; an instance has none before its first call.
   */
  breaker(service: string, instanceId?: string): CircuitBreaker | undefined
  /** Reports which endpoints of a service get traffic now, which rule excludes the others, and the state of its policies. */
  explain(service: string): ServiceExplanation
  /** Rejects new calls, waits up to `closeTimeoutMs` for calls in progress, then ends them. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates a client.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  const resolved = resolveClientOptions(options)
  const { transport, maxResponseBytes } = resolved
  const entries = createServiceEntries(resolved)
  let dispatcher: Dispatcher | undefined
  const openCalls = createOpenCalls()
  const collapser = new Collapser(maxResponseBytes)
  const forwarding: ForwardContext = { transport, entryOf: entries.get, openCalls, maxResponseBytes }
  let closing: Promise<void> | undefined

  function call(method: string, service: string, path: string, requestOptions: RequestOptions): Promise<ServiceResponse> {
    try {
      return begin(method, service, path, requestOptions)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function begin(method: string, service: string, path: string, requestOptions: RequestOptions): Promise<ServiceResponse> {
    if (openCalls.isClosed) throw closedError('client')
    const init = toCallInit(forwarding, { method, service, path }, requestOptions)
    return mayCollapse(init) ? collapser.join(toCollapsible(init)) : new Call(init).run()
  }

  /** Not asynchronous itself: one promise less for each call. */
  function request(service: string, path: string, requestOptions: MethodRequestOptions = {}): Promise<ServiceResponse> {
    try {
      const { method = 'GET', ...rest } = requestOptions
      return begin(checkMethod(method), service, path, rest)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function unlessClosed<Parameters extends unknown[], Result>(method: (...parameters: Parameters) => Result): typeof method {
    return (...parameters) => {
      if (openCalls.isClosed) throw closedError('client')
      return method(...parameters)
    }
  }

  const client: ServiceClient = {
    request,
    get: (service, path, requestOptions = {}) => call('GET', service, path, requestOptions),
    post: (service, path, requestOptions = {}) => call('POST', service, path, requestOptions),
    put: (service, path, requestOptions = {}) => call('PUT', service, path, requestOptions),
    patch: (service, path, requestOptions = {}) => call('PATCH', service, path, requestOptions),
    delete: (service, path, requestOptions = {}) => call('DELETE', service, path, requestOptions),
    events: (service, path, eventOptions = {}) =>
      followEvents(client.get, {
        ...eventOptions,
        service,
        path,
        headTimeoutMs: () => findHeadTimeout(entries.get(service, 'GET', path)),
      }),
    fetch: (input, init) => fetchService(client.request, input, init),
    get dispatcher() {
      dispatcher ??= createServiceDispatcher({ ...forwarding, transport: checkUndici(transport) })
      return dispatcher
    },
    forward(request, handler) {
      if (openCalls.isClosed) throw closedError('client')
      return forwardRequest(forwarding, request, handler)
    },
    configure: unlessClosed(entries.configure),
    configureService: unlessClosed(entries.configureService),
    breaker: unlessClosed(entries.breaker),
    explain: unlessClosed(entries.explain),
    close() {
      closing ??= openCalls.close(resolved.closeTimeoutMs).then(async () => {
        entries.close()
        await settlesWithin(transport.close(), resolved.closeTimeoutMs)
      })
      return closing
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return client
}

/** Time limit until the head of an event stream: that of attempts, or half of the time limit of calls. */
function findHeadTimeout({ settings }: ServiceEntry): number {
  const { attemptTimeoutMs, timeoutMs } = settings
  if (typeof attemptTimeoutMs === 'number') return attemptTimeoutMs
  return Math.max(1_000, (timeoutMs === 0 ? 10_000 : timeoutMs) / 2)
}

function checkUndici(transport: Transport): UndiciTransport {
  if ('dispatcher' in transport) return transport as UndiciTransport
  throw new SdError('SD_UNSUPPORTED', `A dispatcher needs the undici transport, got ${transport.name}`)
}
