import { connectionHint } from '@sd/adapter-kit'
import { closedError, createSemaphore, SdError, withTimeout } from '@sd/core'
import { isAllowed, refusedByPolicy, reviewOf, verbOf, wayOut } from './access-review.ts'
import { type ApiClient, createApiClient } from './api-client.ts'
import { LOGIN_REFUSED } from './api-errors.ts'
import type { ApiRequest, ApiResponse, ApiWatch } from './api-messages.ts'
import { type OpenWatchOptions, openWatch } from './api-watch.ts'
import { createLogin } from './login.ts'
import type { ResolvedKubernetesConnectionOptions } from './options.ts'
import { ServerHistory } from './server-history.ts'

/** A connection to the API server, with the library's login and its own sockets. */
export interface KubernetesConnection {
  /** Namespace in use. */
  readonly namespace: string
  /** Sends a request, and again after a refused login. @throws SdError that describes the failure */
  request(request: ApiRequest): Promise<ApiResponse>
  /**
   * Runs a watch; resolves when it ends for any reason. @throws SdError if it could not start, or the exception of
   * `onEvent`
   */
  watch(watch: ApiWatch): Promise<void>
  /** Closes all connections. */
  close(): void
}

/**
 * Maximum number of concurrent requests. Each uses its own connection, and an API server queues too many requests of
 * one client.
 */
const parallelRequests = 16

/**
 * Reads the kubeconfig and creates a connection; opens nothing yet.
 *
 * @throws SdError `SD_INVALID` for an invalid kubeconfig; `SD_UNSUPPORTED` on Bun, which replaces the undici that the
 * client library uses
 */
export function createKubernetesConnection(settings: ResolvedKubernetesConnectionOptions): KubernetesConnection {
  const { name, operationTimeoutMs } = settings
  if ('Bun' in globalThis) throw new SdError('SD_UNSUPPORTED', `${name} needs Node: the client library does not run on Bun`)
  const login = createLogin(settings)
  const requests = createSemaphore(parallelRequests)
  const history = new ServerHistory()
  const api = createApiClient(name, login, () => history.noteAccepted())
  let closed = false

  /**
   * Tries again after a refusal, with a new login, once the server is ready. A server that is starting refuses all
   * requests for a moment, because it does not know the permissions yet.
   */
  async function withLogin<T>(signal: AbortSignal, way: (isLogin: boolean) => string, attempt: () => Promise<T>): Promise<T> {
    if (closed) throw closedError(name)
    try {
      return await attemptOnce(attempt)
    } catch (refusal) {
      if (!isRefusal(refusal)) throw refusal
      if (refusal.code === LOGIN_REFUSED) login.refresh()
      const what = `${name}: checking whether the API server is ready`
      if (!(await withTimeout({ timeoutMs: operationTimeoutMs, what, signal }, (limit) => isReady(api, history, limit)))) {
        throw new SdError('SD_UNAVAILABLE', `${refusal.message}; the API server does not report that it is ready`, {
          cause: refusal,
        })
      }
    }
    try {
      return await attemptOnce(attempt)
    } catch (error) {
      throw isRefusal(error) ? new SdError('SD_DENIED', `${error.message}${way(error.code === LOGIN_REFUSED)}`) : error
    }
  }

  async function attemptOnce<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      if (isRefusal(error)) history.noteRefused()
      else if (error instanceof SdError && error.retryable) {
        history.noteLost()
        // Certificates in the kubeconfig itself may have been replaced. Files that it names are read at every request.
        if (connectionHint(error.cause) !== undefined) login.refresh()
      }
      throw error
    }
  }

  const watchOptions: OpenWatchOptions = {
    name,
    login,
    operationTimeoutMs,
    onAccepted: () => history.noteAccepted(),
    onLost: () => history.noteLost(),
  }

  return {
    namespace: login.namespace,
    request: (request) =>
      requests.run(request.signal, async () => {
        const { method, path, signal } = request
        const way = (isLogin: boolean): string => wayOut(isLogin, verbOf(method, path), path)
        try {
          return await withLogin(signal, way, () => api.send(request))
        } catch (error) {
          throw await judgeRefusal(api, error, request)
        }
      }),
    watch: (watch) =>
      withLogin(
        watch.signal,
        (isLogin) => wayOut(isLogin, 'watch', watch.path),
        () => openWatch(watchOptions, watch),
      ),
    close() {
      closed = true
      login.close()
    },
  }
}

function isRefusal(error: unknown): error is SdError {
  return error instanceof SdError && (error.code === LOGIN_REFUSED || error.code === 'SD_DENIED')
}

/**
 * Checks without a login first, because the login may be refused too; then with it, if anonymous requests are refused.
 */
async function isReady(api: ApiClient, history: ServerHistory, signal: AbortSignal): Promise<boolean> {
  const ask = async (isAnonymous: boolean): Promise<number> =>
    (await api.exchange({ method: 'GET', path: '/readyz', signal }, isAnonymous)).httpStatusCode
  const anonymous = await ask(true)
  const status = anonymous === 401 ? await ask(false) : anonymous
  if (status === 200 || status === 401) return true
  // Some clusters refuse this request to everyone.
  return status === 403 && history.isRefusalFinal
}

/** A full quota has the same status as a missing permission. Only the API itself can distinguish them. */
async function judgeRefusal(api: ApiClient, error: unknown, { method, path, signal }: ApiRequest): Promise<unknown> {
  const review = reviewOf(method, path)
  if (!(error instanceof SdError) || error.code !== 'SD_DENIED' || !review) return error
  const request: ApiRequest = {
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: review,
    signal,
  }
  const response = await api.send(request).catch(() => undefined)
  return isAllowed(response?.body) ? refusedByPolicy(error) : error
}
