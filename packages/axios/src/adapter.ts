import { type RequestOptions, type ServiceClient, serviceOfOrigin } from '@sd/client'
import { checkFunction, checkKnownKeys, checkObject, SdError } from '@sd/core'
import { type AxiosAdapter, AxiosError, getAdapter, type InternalAxiosRequestConfig } from 'axios'
import { toServiceError } from './errors.ts'
import { createTransport } from './transport.ts'

/** Options of one call that axios has no name for, in `config.sd`. */
export type ServiceCallOptions = Pick<
  RequestOptions,
  'attemptTimeoutMs' | 'deadlineAt' | 'explain' | 'hashKey' | 'idempotent' | 'priority'
>

declare module 'axios' {
  interface AxiosRequestConfig {
    /** Options of the call that axios has no name for, such as its deadline. @default none */
    sd?: ServiceCallOptions
  }
}

/** Options of {@link createAxiosAdapter}. */
export interface AxiosAdapterOptions {
  /** The client that calls services. */
  readonly client: Pick<ServiceClient, 'request'>
  /**
   * Whether a host is the name of a service. axios itself sends requests to other hosts, with its agents and proxies.
   *
   * @default every host is a service
   */
  readonly isService?: (host: string) => boolean
}

/**
 * Creates an adapter for axios whose hosts are services: `axios.create({ adapter, baseURL: 'http://stock/' })`.
 * Bodies, progress, decompression, limits, redirects, cancelation and errors are those of axios. The client replaces
 * the connection: it finds an instance, with its policies.
 *
 * Errors are an `AxiosError` with the codes of axios; its `cause` is the `SdError`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createAxiosAdapter(options: AxiosAdapterOptions): AxiosAdapter {
  checkKnownKeys('', checkObject('options', options), ['client', 'isService'])
  const { client, isService = () => true } = options
  checkFunction('client.request', checkObject('client', client)['request'] as ServiceClient['request'])
  checkFunction('isService', isService)
  const http = getAdapter('http')

  return async (config) => {
    const host = hostOf(config)
    if (host !== undefined && !isService(host)) return http(config)
    checkConfig(config)
    const transport = createTransport({ client, isService, config })
    try {
      // Proxies of the environment are for other hosts.
      const response = await http({ ...config, proxy: false, transport } as InternalAxiosRequestConfig)
      return Object.assign(response, { config })
    } catch (error) {
      throw toServiceError(error, config, transport.failure)
    }
  }
}

/** The host of a request, decoded; `undefined` if its URL has none, which axios reports. */
function hostOf({ baseURL, url = '', allowAbsoluteUrls }: InternalAxiosRequestConfig): string | undefined {
  const isAbsolute = /^([a-z][a-z\d+\-.]*:)?\/\//i.test(url) && allowAbsoluteUrls !== false
  const parsed = URL.parse(isAbsolute ? url : (baseURL ?? url))
  return parsed && parsed.hostname !== '' ? serviceOfOrigin(parsed) : undefined
}

/** Rejects options that would silently bypass the client. */
function checkConfig(config: InternalAxiosRequestConfig): void {
  const { httpVersion = 1, socketPath } = config as { readonly httpVersion?: unknown; readonly socketPath?: unknown }
  const problem =
    Number(httpVersion) !== 1
      ? 'httpVersion: the protocol of an instance decides how it is called'
      : socketPath === undefined || socketPath === null
        ? undefined
        : 'socketPath: instances have an address and a port'
  if (problem === undefined) return
  const cause = new SdError('SD_UNSUPPORTED', `The adapter does not support ${problem}`)
  throw AxiosError.from(cause, AxiosError.ERR_NOT_SUPPORT, config)
}
