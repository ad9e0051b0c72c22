import { SdError, withTimeout } from '@sd/core'
import type { GatewayExchange } from '@sd/gateway'
import type { ResolvedAuthForward } from './auth-forward-options.ts'

/** What the authorisation service has decided. */
export interface Decision {
  /** 2xx lets the request pass. */
  readonly status: number
  /** Names in lower case, without cookies. */
  readonly headers: ReadonlyMap<string, string>
  readonly cookies: readonly string[]
  /** Of a refusal; absent if it is too long. */
  readonly body: Uint8Array | undefined
  /** Whether it may be kept. */
  readonly isCacheable: boolean
}

/** Asks the authorisation service. @throws SdError if there is no decision */
export function createAsk({
  target,
  requestHeaders,
  timeoutMs,
  maxBodyBytes,
}: ResolvedAuthForward): (exchange: GatewayExchange) => Promise<Decision> {
  async function ask(exchange: GatewayExchange, signal: AbortSignal): Promise<Decision> {
    const headers = describeRequest(exchange, requestHeaders)
    const response = await target.fetch({ headers, redirect: 'manual', signal })
    const { status, ok } = response
    if (status >= 500) {
      await response.body?.cancel()
      throw new SdError('SD_UNAVAILABLE', `The authorisation service responded with status ${status}`)
    }
    const body = await readBody(response, maxBodyBytes)
    const control = response.headers.get('cache-control') ?? ''
    const cookies = response.headers.getSetCookie()
    return {
      status,
      headers: new Map([...response.headers].filter(([name]) => name !== 'set-cookie')),
      cookies,
      body: ok ? undefined : body,
      // A redirect to a login has state of its own.
      isCacheable: (ok || status >= 400) && cookies.length === 0 && !/no-store|no-cache|private/i.test(control),
    }
  }

  const what = 'the decision of the authorisation service'
  return (exchange) => withTimeout({ timeoutMs, what }, (signal) => ask(exchange, signal))
}

/** The request as fields, with the names that Traefik and others use. The body is not sent. */
function describeRequest(exchange: GatewayExchange, names: readonly string[]): [string, string][] {
  const { connection, clientAddress, authority, path, method, id } = exchange
  const fields: [string, string][] = []
  for (const name of names) {
    const value = exchange.header(name)
    if (value !== undefined) fields.push([name, value])
  }
  const own = {
    'x-forwarded-for': exchange.header('x-forwarded-for') ?? clientAddress,
    'x-forwarded-proto': exchange.header('x-forwarded-proto') ?? (connection.tls ? 'https' : 'http'),
    'x-forwarded-host': exchange.header('x-forwarded-host') ?? authority,
    'x-forwarded-method': method,
    'x-forwarded-uri': path,
    'x-request-id': id,
  }
  return [...fields.filter(([name]) => !(name in own)), ...Object.entries(own)]
}

/** A body is read also where it is not used, so that its connection can be used again; a longer one ends the connection. */
async function readBody(response: Response, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = Number(response.headers.get('content-length') ?? 0)
  if (length > limit) {
    await response.body?.cancel()
    return undefined
  }
  length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength
    // Leaving the loop ends the body.
    if (length > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
