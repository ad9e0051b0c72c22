import { type HttpMethod, IsomorphicFetchHttpLibrary, RequestContext, type ResponseContext, Watch } from '@kubernetes/client-node'
import { connectionHint } from '@sd/adapter-kit'
import { closedError, createSemaphore, SdError, sleep, withTimeout } from '@sd/core'
import { isAllowed, refusedByPolicy, reviewOf, verbOf, wayOut } from './access-review.ts'
import { expired, LOGIN_REFUSED, toKubernetesError, toStatusError } from './api-errors.ts'
import { createLogin } from './login.ts'
import type { ResolvedKubernetesConnectionOptions } from './options.ts'

/** One request to the API. */
export interface ApiRequest {
  /** What is to be done. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path below the server's address. */
  readonly path: string
  /** Parameters of the address. */
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON; for PATCH as a merge patch. */
  readonly body?: object
  /** Ends it. */
  readonly signal: AbortSignal
}

/** What the API answered. */
export interface ApiAnswer {
  /** The object, parsed. */
  readonly body: unknown
  /** The server's clock, in epoch milliseconds; absent if a proxy took it away. */
  readonly serverTime: number | undefined
  /** How long the answer took, in milliseconds. */
  readonly tookMs: number
}

/** One event of a watch, as the API sends it. */
export interface ApiEvent {
  /** `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`. */
  readonly type: string
  /** The object, or a `Status`. */
  readonly object: unknown
}

/** A watch to open. */
export interface ApiWatch {
  /** Path of the collection, below the server's address. */
  readonly path: string
  /** Where to begin, and which objects. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** Called for every event; what it throws ends the watch. */
  readonly onEvent: (event: ApiEvent) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/** An API server does not know permissions for less than this after its start, in milliseconds. */
const startLimitMs = 30_000

/** The API server, seen through the library's login and its connections. */
export interface KubernetesConnection {
  /** Namespace to work in. */
  readonly namespace: string
  /** Asks once, and again after a refused login. @throws SdError that says what the failure means */
  request(request: ApiRequest): Promise<ApiAnswer>
  /** Resolves as a watch ends that had begun, whatever ended it. @throws SdError if it could not begin, or what `onEvent` threw */
  watch(watch: ApiWatch): Promise<void>
  /** Ends every connection. */
  close(): void
}

type Exchange = Pick<ResponseContext, 'httpStatusCode' | 'headers'> & { readonly text: string }

/** Requests under way at once. Each takes a connection of its own, and an API server queues what comes too fast from one client. */
const parallelRequests = 16

/**
 * Reads the kubeconfig; opens nothing yet.
 *
 * @throws SdError `SD_INVALID` for what is no kubeconfig; `SD_UNSUPPORTED` on Bun, which replaces the undici that the client library stands on
 */
export function createKubernetesConnection(settings: ResolvedKubernetesConnectionOptions): KubernetesConnection {
  const { name, operationTimeoutMs } = settings
  if ('Bun' in globalThis) throw new SdError('SD_UNSUPPORTED', `${name} needs Node: the client library does not run on Bun`)
  const login = createLogin(settings)
  const requests = createSemaphore(parallelRequests)
  const http = new IsomorphicFetchHttpLibrary()
  let closed = false
  // By `performance.now()`: when a request or watch was last accepted, when the way was last lost, so that the server may have started anew, and
  // since and until when requests were refused, one soon after the other.
  let acceptedAt = Number.NEGATIVE_INFINITY
  let lostAt = Number.NEGATIVE_INFINITY
  let refusals = { from: 0, to: Number.NEGATIVE_INFINITY }

  /**
   * Once more if the first was refused: with a fresh login, and only by a server that is ready. One that starts refuses everybody for a
   * moment, because it does not know the permissions yet.
   */
  async function withLogin<T>(signal: AbortSignal, way: (isLogin: boolean) => string, attempt: () => Promise<T>): Promise<T> {
    if (closed) throw closedError(name)
    try {
      return await noted(attempt)
    } catch (refusal) {
      if (!isRefusal(refusal)) throw refusal
      if (refusal.code === LOGIN_REFUSED) login.refresh()
      const what = `${name}: asking whether the API server is ready`
      if (!(await withTimeout({ timeoutMs: operationTimeoutMs, what, signal }, isReady))) {
        throw new SdError('SD_UNAVAILABLE', `${refusal.message}; the API server does not say that it is ready`, {
          cause: refusal,
        })
      }
    }
    try {
      return await noted(attempt)
    } catch (error) {
      throw isRefusal(error) ? new SdError('SD_DENIED', `${error.message}${way(error.code === LOGIN_REFUSED)}`) : error
    }
  }

  /** Takes note of refusals and losses. */
  async function noted<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      const now = performance.now()
      if (isRefusal(error)) {
        const isFirst = now - refusals.to > startLimitMs || lostAt > refusals.to
        refusals = { from: isFirst ? now : refusals.from, to: now }
      } else if (SdError.isInstance(error) && error.retryable) {
        lostAt = now
        // Certificates that stand in the kubeconfig itself may have been replaced; files that it names are read at every request.
        if (connectionHint(error.cause) !== undefined) login.refresh()
      }
      throw error
    }
  }

  /** Asks without a login, because that may be refused too, and with one where nobody is let in without. */
  async function isReady(signal: AbortSignal): Promise<boolean> {
    const ask = async (isAnonymous: boolean): Promise<number> =>
      (await exchange({ method: 'GET', path: '/readyz', signal }, isAnonymous)).httpStatusCode
    const status = await ask(true)
    const told = status === 401 ? await ask(false) : status
    if (told === 200 || told === 401) return true
    // Some clusters tell nobody: then a refusal is believed if something was accepted since the way was last lost, or once it has lasted.
    return told === 403 && (acceptedAt > lostAt || refusals.to - refusals.from > startLimitMs)
  }

  /** A full quota has the status of a missing permission: only the API itself can tell them apart. */
  async function judgeRefusal(error: unknown, { method, path, signal }: ApiRequest): Promise<unknown> {
    const review = reviewOf(method, path)
    if (!SdError.isInstance(error) || error.code !== 'SD_DENIED' || !review) return error
    const asked = {
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: review,
      signal,
    } as const
    const answer = await send(asked).catch(() => undefined)
    return isAllowed(answer?.body) ? refusedByPolicy(error) : error
  }

  async function exchange(request: ApiRequest, isAnonymous: boolean = false): Promise<Exchange> {
    const { method, path, query = {}, body, signal } = request
    const { config, server } = login.current()
    const url = new URL(server + path)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
    const context = new RequestContext(url.href, method as HttpMethod)
    try {
      await config.applySecurityAuthentication(context)
      if (isAnonymous) delete context.getHeaders()['Authorization']
      context.setHeaderParam('Accept', 'application/json')
      context.setSignal(signal)
      if (body) {
        context.setHeaderParam('Content-Type', method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
        context.setBody(JSON.stringify(body))
      }
      const { httpStatusCode, headers, body: content } = await http.send(context).toPromise()
      return { httpStatusCode, headers, text: await content.text() }
    } catch (caught) {
      throw toKubernetesError(caught, `${name}: ${method} ${path}`)
    }
  }

  async function send(request: ApiRequest): Promise<ApiAnswer> {
    const what = `${name}: ${request.method} ${request.path}`
    const startedAt = performance.now()
    const { httpStatusCode, headers, text } = await exchange(request)
    if (httpStatusCode >= 300) throw toStatusError(httpStatusCode, text, what, headers)
    acceptedAt = performance.now()
    const serverTime = Date.parse(headers['date'] ?? '')
    try {
      return {
        body: JSON.parse(text),
        serverTime: Number.isNaN(serverTime) ? undefined : serverTime,
        tookMs: performance.now() - startedAt,
      }
    } catch (error) {
      throw new SdError('SD_UNAVAILABLE', `${what}: the answer is no JSON`, { cause: error })
    }
  }

  function openWatch({ path, query, onEvent, signal }: ApiWatch): Promise<void> {
    const { config } = login.current()
    const what = `${name}: watching ${path}`
    const watcher = new Watch(config)
    // Silence for so long may be a connection that is half open; the library has no option for it.
    ;(watcher as unknown as { requestTimeoutMs: number }).requestTimeoutMs = operationTimeoutMs * 3
    return new Promise((resolve, reject) => {
      let controller: AbortController | undefined
      let isOver = false
      function finish(error?: SdError): void {
        if (isOver) return
        isOver = true
        signal.removeEventListener('abort', onAbort)
        if (controller && !signal.aborted) lostAt = performance.now()
        controller?.abort()
        if (error) reject(error)
        else resolve()
      }
      const onAbort = (): void => finish()
      signal.addEventListener('abort', onAbort, { once: true })

      function receive(type: string, object: unknown): void {
        if (isOver) return
        try {
          onEvent({ type, object })
        } catch (caught) {
          // The library would swallow it.
          finish(toKubernetesError(caught, what))
        }
      }
      const end = (error: unknown): void => finish(controller || !error ? undefined : explainWatch(error, what))
      watcher.watch(path, query, receive, end).then(
        (opened) => {
          controller = opened
          if (isOver) opened.abort()
          else acceptedAt = performance.now()
        },
        (error: unknown) => finish(toKubernetesError(error, what)),
      )
      void sleep(operationTimeoutMs, signal)
        .then(() => controller || finish(new SdError('SD_TIMEOUT', `${what} did not begin within ${operationTimeoutMs} ms`)))
        .catch(() => undefined)
    })
  }

  return {
    namespace: login.namespace,
    request: (request) =>
      requests.run(request.signal, async () => {
        const { method, path, signal } = request
        const way = (isLogin: boolean): string => wayOut(isLogin, verbOf(method, path), path)
        try {
          return await withLogin(signal, way, () => send(request))
        } catch (error) {
          throw await judgeRefusal(error, request)
        }
      }),
    watch: (watch) =>
      withLogin(
        watch.signal,
        (isLogin) => wayOut(isLogin, 'watch', watch.path),
        () => openWatch(watch),
      ),
    close() {
      closed = true
      login.close()
    },
  }
}

function isRefusal(error: unknown): error is SdError {
  return SdError.isInstance(error) && (error.code === LOGIN_REFUSED || error.code === 'SD_DENIED')
}

function explainWatch(error: unknown, what: string): SdError {
  return (error as { statusCode?: unknown }).statusCode === 410 ? expired(what) : toKubernetesError(error, what)
}
