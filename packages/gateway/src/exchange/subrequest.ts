import type { ForwardControl, ForwardHandler } from '@sd/client'
import { type Endpoint, SdError } from '@sd/core'
import type { GatewayClient } from '../exchange/gateway-client.ts'
import type { CompiledRoute } from '../routing/compiled-table.ts'
import type { CompiledTarget } from '../routing/compiled-target.ts'
import type { ExchangeHead } from './exchange-head.ts'
import { FieldList } from './field-list.ts'
import { toForwardRequest } from './forward-call.ts'
import { readResponseFields, readTrailers } from './response-fields.ts'

/** How long a filter may wait on a route without a time limit for the response. */
export const filterLimitMs = 10_000

/** Share of a filter's time that the head of its own request may take. */
const headShare = 0.5

/** Errors of requests of filters. A filter that throws one has not failed itself. */
const reported = new WeakSet<SdError>()

/** Whether a filter throws what its own request has reported. */
export function isOfSubrequest(error: SdError): boolean {
  return reported.has(error)
}

/** A request of a filter. */
export interface Subrequest {
  readonly exchange: ExchangeHead
  readonly route: CompiledRoute
  readonly target: CompiledTarget
  readonly rawHeaders: readonly string[]
}

/** Sends a request of a filter, as that of its exchange would be sent. */
export function sendSubrequest(
  client: GatewayClient,
  { exchange, route, target, rawHeaders }: Subrequest,
  handler: ForwardHandler,
): ForwardControl {
  const { method, path, deadlineAt } = exchange
  const { rewrite, timeouts } = route.spec
  const fields = new FieldList([...rawHeaders])
  if (rewrite?.host !== undefined) fields.set('host', rewrite.host)
  const parts = { method, path, hasBody: false, upgrade: undefined, call: undefined, cleanHeaders: fields.raw, deadlineAt }
  const limitMs = timeouts?.headMs ?? filterLimitMs
  const limit = limitMs === 0 ? {} : { headTimeoutMs: Math.max(1, Math.floor(limitMs * headShare)) }
  return client.forward({ ...toForwardRequest(route, target, parts), ...limit }, new SubrequestHandler(handler))
}

/** Passes a response on to a filter, with the fields that a client would get. */
class SubrequestHandler implements ForwardHandler {
  readonly #handler: ForwardHandler
  #isOver = false

  constructor(handler: ForwardHandler) {
    this.#handler = handler
  }

  onResponse(status: number, statusText: string, rawHeaders: readonly string[], endpoint: Endpoint): void {
    const raw = readResponseFields(status, rawHeaders)
    if (raw) this.#handler.onResponse(status, statusText, raw, endpoint)
    else this.onError(new SdError('SD_MALFORMED', 'The response has a transfer-encoding other than chunked', { origin: 'peer' }))
  }

  onData(chunk: Uint8Array): void {
    if (!this.#isOver) this.#handler.onData(chunk)
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (!this.#isOver) this.#handler.onEnd(readTrailers(rawTrailers))
  }

  onError(error: SdError): void {
    if (this.#isOver) return
    this.#isOver = true
    reported.add(error)
    this.#handler.onError(error)
  }
}
