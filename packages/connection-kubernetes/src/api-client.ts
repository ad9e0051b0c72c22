import { type HttpMethod, IsomorphicFetchHttpLibrary, RequestContext, type ResponseContext } from '@kubernetes/client-node'
import { SdError } from '@sd/core'
import { toKubernetesError, toStatusError } from './api-errors.ts'
import type { ApiRequest, ApiResponse } from './api-messages.ts'
import type { Login } from './login.ts'

type Exchange = Pick<ResponseContext, 'httpStatusCode' | 'headers'> & { readonly text: string }

/** Sends requests to the API server, with the current login. */
export interface ApiClient {
  /** Sends a request. @throws SdError if the server is unreachable, refuses it, or its response is not JSON */
  send(request: ApiRequest): Promise<ApiResponse>
  /** Sends a request and returns its response with any status. @throws SdError if there is no response */
  exchange(request: ApiRequest, isAnonymous?: boolean): Promise<Exchange>
}

/**
 * Creates a client. @param name the owner, for messages @param onAccepted called when the server has accepted a request
 */
export function createApiClient(name: string, login: Login, onAccepted: () => void): ApiClient {
  const http = new IsomorphicFetchHttpLibrary()

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

  return {
    exchange,
    async send(request) {
      const what = `${name}: ${request.method} ${request.path}`
      const startedAt = performance.now()
      const { httpStatusCode, headers, text } = await exchange(request)
      if (httpStatusCode >= 300) throw toStatusError(httpStatusCode, text, what, headers)
      onAccepted()
      const serverTime = Date.parse(headers['date'] ?? '')
      try {
        return {
          body: JSON.parse(text),
          serverTime: Number.isNaN(serverTime) ? undefined : serverTime,
          tookMs: performance.now() - startedAt,
        }
      } catch (error) {
        throw new SdError('SD_UNAVAILABLE', `${what}: the response is not valid JSON`, { cause: error })
      }
    },
  }
}
