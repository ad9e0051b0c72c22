import { request } from 'node:http'

/** A request that a page makes. */
export interface PageRequest {
  /** Origin of the page. */
  readonly origin: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whether it has the credentials mode `include`. */
  readonly credentials?: boolean
}

/** What the page gets: a response, or the step of the Fetch standard that made it a network error. */
export type PageResult =
  | { readonly status: number; readonly readable: readonly string[] }
  | { readonly error: 'CORS check' | 'preflight status' | 'preflight method' | 'preflight header' }

/** A response with the values of repeated fields apart. */
export interface RawResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: string
}

/** Sends a request as it is: `fetch` of Node.js sets fields of its own. */
export function send(url: string, method: string, headers: Readonly<Record<string, string>> = {}): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode ?? 0, headers: response.headersDistinct as RawResponse['headers'], body })
    })
    sent.on('error', reject).end()
  })
}

const simpleMethods = ['GET', 'HEAD', 'POST']
const alwaysReadable = [
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
]

/**
 * A cross-origin request by the steps of the Fetch standard: CORS-preflight fetch (4.8), CORS check (4.9), and the filtered
 * response (3.3.4). Every field in `headers` counts as one that is not safelisted.
 */
export async function fetchAsPage(url: string, page: PageRequest): Promise<PageResult> {
  const { origin, method = 'GET', headers = {}, credentials = false } = page
  const names = Object.keys(headers).sort()
  if (!simpleMethods.includes(method) || names.length > 0) {
    const asked = { origin, 'access-control-request-method': method }
    const preflight = await send(url, 'OPTIONS', {
      ...asked,
      ...(names.length > 0 && { 'access-control-request-headers': names.join(',') }),
    })
    if (!passesCheck(preflight, page)) return { error: 'CORS check' }
    if (preflight.status < 200 || preflight.status > 299) return { error: 'preflight status' }
    const methods = listOf(preflight, 'access-control-allow-methods')
    if (!methods.includes(method) && !simpleMethods.includes(method) && (credentials || !methods.includes('*'))) {
      return { error: 'preflight method' }
    }
    const allowed = listOf(preflight, 'access-control-allow-headers').map((name) => name.toLowerCase())
    const isAllowed = (name: string): boolean =>
      allowed.includes(name) || (!credentials && name !== 'authorization' && allowed.includes('*'))
    if (!names.every(isAllowed)) return { error: 'preflight header' }
  }
  const response = await send(url, method, { origin, ...headers })
  if (!passesCheck(response, page)) return { error: 'CORS check' }
  const exposed = listOf(response, 'access-control-expose-headers')
  const isReadable = (name: string): boolean =>
    alwaysReadable.includes(name) || exposed.includes(name) || (!credentials && exposed.includes('*'))
  return { status: response.status, readable: Object.keys(response.headers).filter(isReadable) }
}

function passesCheck({ headers }: RawResponse, { origin, credentials = false }: PageRequest): boolean {
  const allowed = headers['access-control-allow-origin']?.join(', ')
  if (!credentials && allowed === '*') return true
  if (allowed !== origin) return false
  return !credentials || headers['access-control-allow-credentials']?.join(', ') === 'true'
}

function listOf({ headers }: RawResponse, name: string): string[] {
  return (headers[name] ?? []).flatMap((value) => value.split(',')).map((value) => value.trim())
}
