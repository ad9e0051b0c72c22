import http, { type ClientRequest } from 'node:http'
import https from 'node:https'
import { type ServiceClient, serviceOfOrigin } from '@sd/client'
import type { SdError } from '@sd/core'
import type { InternalAxiosRequestConfig } from 'axios'
import followRedirects from 'follow-redirects'
import { type OnResponse, type SentOptions, ServiceRequest } from './service-request.ts'

/** What {@link createTransport} needs. */
export interface TransportOptions {
  readonly client: Pick<ServiceClient, 'request'>
  readonly isService: (host: string) => boolean
  readonly config: InternalAxiosRequestConfig
}

/** What axios takes in place of `node:http`: a documented option of a request. */
export interface ServiceTransport {
  /** Sends a request, and follows its redirects. */
  request(options: SentOptions, onResponse: OnResponse): unknown
  /** The error with which the last call failed. */
  readonly failure: SdError | undefined
}

/** Options with which axios' redirects go on; it sets them for its own transports only. */
interface Hooks {
  config?: InternalAxiosRequestConfig['beforeRedirect']
  auth?: (options: RedirectOptions) => void
  sensitiveHeaders?: (options: RedirectOptions, from: { readonly url: string }) => void
}

interface RedirectOptions {
  readonly href: string
  readonly headers: Record<string, unknown>
  auth?: string | undefined
}

/**
 * The transport of one request: calls of the client, with the redirects of axios around them. A redirect to a host that is
 * not a service takes Node's own way.
 */
export function createTransport({ client, isService, config }: TransportOptions): ServiceTransport {
  const startedAt = performance.now()
  let failure: SdError | undefined

  const isFollowing = config.maxRedirects !== 0
  const native = {
    request(options: SentOptions, onResponse: OnResponse): ServiceRequest | ClientRequest {
      const service = serviceOfOrigin(new URL(`${options.protocol}//${options.hostname}`))
      if (!isService(service)) {
        return (options.protocol === 'https:' ? https : http).request(options as never, onResponse as never)
      }
      return new ServiceRequest({
        client,
        service,
        options,
        config,
        startedAt,
        isFollowing,
        onResponse,
        onFailure: (error) => (failure = error),
      })
    },
  }
  const follow = followRedirects.wrap({ http: native, https: native } as never) as unknown as Record<string, typeof native>

  return {
    get failure() {
      return failure
    },
    request(options, onResponse) {
      if (!isFollowing) return native.request(options, onResponse)
      const { maxRedirects, sensitiveHeaders } = config as {
        readonly maxRedirects?: number
        readonly sensitiveHeaders?: string[]
      }
      Object.assign(options.beforeRedirects ?? {}, redirectHooks(config, options))
      const followed = {
        ...options,
        ...(maxRedirects !== undefined && { maxRedirects }),
        sensitiveHeaders: sensitiveHeaders ?? [],
      }
      return follow[options.protocol.slice(0, -1)]?.request(followed, onResponse)
    },
  }
}

/** What axios does at a redirect. */
function redirectHooks(config: InternalAxiosRequestConfig, { auth, protocol, hostname, port }: SentOptions): Hooks {
  const origin = new URL(`${protocol}//${hostname}${port ? `:${port}` : ''}`).origin
  const { sensitiveHeaders } = config as { readonly sensitiveHeaders?: readonly string[] }
  return {
    ...(config.beforeRedirect && { config: config.beforeRedirect }),
    ...(auth && {
      auth(options) {
        if (URL.parse(options.href)?.origin === origin) options.auth = auth
      },
    }),
    ...(sensitiveHeaders && {
      sensitiveHeaders({ href, headers }, { url }) {
        if (URL.parse(href)?.origin === URL.parse(url)?.origin) return
        const names = new Set(sensitiveHeaders.map((name) => name.toLowerCase()))
        for (const name of Object.keys(headers)) if (names.has(name.toLowerCase())) delete headers[name]
      },
    }),
  }
}
