import { type IncomingMessage, request as requestHttp, validateHeaderName, validateHeaderValue } from 'node:http'
import { request as requestHttps } from 'node:https'
import { checkInteger, checkKnownKeys, checkName, checkObject, checkText, invalidError, SdError } from '@sd/core'
import type { HealthCheck, HealthTarget } from './health-check.ts'
import { describeError, readPort } from './tcp-check.ts'
import { type HealthCheckTlsOptions, readTls } from './tls.ts'

/** A status, such as 204, or a class of them, such as `2xx`. */
export type ExpectedStatus = number | `${1 | 2 | 3 | 4 | 5}xx`

/** Options of {@link createHttpCheck}. */
export interface HttpCheckOptions {
  /** Name for logs and metrics. @default 'http' */
  readonly name?: string
  /** Path with query, beginning with a slash. @default '/' */
  readonly path?: string
  /** Method, in upper case. @default 'GET' */
  readonly method?: string
  /** Header fields; `host` is the target's by default. @default { 'user-agent': '@sd/health' } */
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses that mean healthy. Redirects are not followed. @default ['2xx'] */
  readonly expectedStatuses?: readonly ExpectedStatus[]
  /** Text that the body must contain, or expression that it must match. @default anything */
  readonly expectedBody?: string | RegExp
  /** How much of the body is read, in bytes; the rest is ignored. @default 65_536 */
  readonly maxBodyBytes?: number
  /** Port to connect to. @default the target's */
  readonly port?: number
  /** Whether to use TLS, or TLS options. @default true if the target's protocol is `https` or `grpcs` */
  readonly tls?: boolean | HealthCheckTlsOptions
}

const optionKeys: readonly (keyof HttpCheckOptions)[] = [
  'name',
  'path',
  'method',
  'headers',
  'expectedStatuses',
  'expectedBody',
  'maxBodyBytes',
  'port',
  'tls',
]

/**
 * Creates a check that sends an HTTP/1.1 request, each on a new connection, and judges status and body.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHttpCheck(options: HttpCheckOptions = {}): HealthCheck {
  checkKnownKeys('', options, optionKeys)
  const name = checkName('name', options.name ?? 'http', 100)
  const path = readPath(options.path ?? '/')
  const method = readMethod(options.method ?? 'GET')
  const headers = { 'user-agent': '@sd/health', ...readHeaders(options.headers ?? {}) }
  const expectedStatuses = readStatuses(options.expectedStatuses ?? ['2xx'])
  const { expectedBody } = options
  if (!(expectedBody === undefined || expectedBody instanceof RegExp)) checkText('expectedBody', expectedBody, 65_536)
  const maxBodyBytes = checkInteger('maxBodyBytes', options.maxBodyBytes ?? 65_536, { min: 0, max: 16_777_216 })
  const ownPort = readPort(options.port)
  const tls = readTls(options.tls)
  const what = `${method} ${path}`

  async function judge(response: IncomingMessage): Promise<void> {
    const { statusCode = 0 } = response
    if (!expectedStatuses.some((status) => status === statusCode || status === `${Math.floor(statusCode / 100)}xx`)) {
      throw new SdError('SD_UNAVAILABLE', `${what} returned ${statusCode}, want ${expectedStatuses.join(' or ')}`)
    }
    const body = await readBody(response, maxBodyBytes)
    if (expectedBody !== undefined && !hasText(body, expectedBody)) {
      throw new SdError('SD_UNAVAILABLE', `${what} returned ${statusCode}, but the body does not match expectedBody`)
    }
  }

  function ask(target: HealthTarget, signal: AbortSignal, secure: object): Promise<undefined> {
    return new Promise((resolve, reject) => {
      const send = tls.isUsedFor(target) ? requestHttps : requestHttp
      const request = send({
        host: target.address,
        port: ownPort ?? target.port,
        path,
        method,
        headers,
        agent: false,
        signal,
        ...secure,
      })
      const fail = (error: NodeJS.ErrnoException): void =>
        reject(
          error instanceof SdError ? error : new SdError('SD_UNAVAILABLE', `${what}: ${describeError(error)}`, { cause: error }),
        )
      request.once('response', (response) => {
        judge(response)
          .then(() => resolve(undefined), fail)
          .finally(() => request.destroy())
      })
      request.on('error', fail)
      request.end()
    })
  }

  return {
    name,
    run: async (target, { signal }) => ask(target, signal, await tls.options()),
  }
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= maxBytes) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxBytes)
}

function hasText(body: string, expected: string | RegExp): boolean {
  // `search` ignores the state that a global expression keeps between calls.
  return typeof expected === 'string' ? body.includes(expected) : body.search(expected) >= 0
}

function readPath(path: string): string {
  if (typeof path === 'string' && /^\/[\x21-\x7e]{0,8191}$/.test(path)) return path
  throw invalidError('path', path, 'a percent-encoded path that begins with a slash')
}

function readMethod(method: string): string {
  if (typeof method === 'string' && /^[A-Z]{1,20}$/.test(method)) return method
  throw invalidError('method', method, 'a method in upper case, such as GET')
}

function readHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lowerCase: Record<string, string> = {}
  for (const [name, value] of Object.entries(checkObject('headers', headers) as Record<string, string>)) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw invalidError(
        `headers.${name}`,
        'a field that HTTP does not allow',
        'a valid name, and a text without control characters',
      )
    }
    lowerCase[name.toLowerCase()] = value
  }
  return lowerCase
}

function readStatuses(statuses: readonly ExpectedStatus[]): readonly ExpectedStatus[] {
  if (!Array.isArray(statuses) || statuses.length === 0) throw invalidError('expectedStatuses', statuses, 'an array of statuses')
  for (const [index, status] of statuses.entries()) {
    const field = `expectedStatuses[${index}]`
    if (typeof status === 'number') checkInteger(field, status, { min: 200, max: 599 })
    else if (!/^[1-5]xx$/.test(status)) throw invalidError(field, status, 'a status such as 204, or a class such as 2xx')
  }
  return statuses
}
