import { SdError } from '@sd/core'
import type { GatewayExchange, GatewayReply } from '@sd/gateway'
import type { CacheFill, CacheResponse } from '@sd/http-cache'

type ForwardHandler = Parameters<GatewayExchange['subrequest']>[1]
type ForwardControl = NonNullable<ReturnType<GatewayExchange['subrequest']>>

const ended = 'The response of the cache has ended'

/** Validates what is stored, and responds with it, or with what the service has now. */
export function validate(
  fill: CacheFill,
  exchange: GatewayExchange,
  init: {
    readonly toReply: (response: CacheResponse) => GatewayReply
    /** Gets what to abort when the exchange ends. */
    readonly onStart: (running: { abort(): void }) => void
  },
): Promise<GatewayReply> {
  return new Promise((resolve, reject) => {
    const respond = (response: CacheResponse): void => resolve(init.toReply(response))
    send(fill, exchange, { respond, reply: resolve, fail: reject, onStart: init.onStart })
  })
}

/** Validates what is stored after the response. Whatever becomes of it, it concerns no client. */
export function refresh(fill: CacheFill, exchange: GatewayExchange): void {
  send(fill, exchange, undefined)
}

type Output = Parameters<Extract<NonNullable<GatewayReply['body']>, (...args: never[]) => unknown>>[0]

interface Taker {
  respond(response: CacheResponse): void
  reply(reply: GatewayReply): void
  fail(error: unknown): void
  onStart(running: { abort(): void }): void
}

function send(fill: CacheFill, exchange: GatewayExchange, taker: Taker | undefined): void {
  const handler = new ValidationHandler(fill, taker, () => send(fill, exchange, taker))
  taker?.onStart(handler)
  try {
    handler.control = exchange.subrequest(fill.rawHeaders, handler)
  } catch (error) {
    // Such as a client that has closed. Without a taker there is nothing to report to.
    fill.abort()
    taker?.fail(error)
  }
}

/** A response to a request of the cache itself. */
class ValidationHandler implements ForwardHandler {
  control: ForwardControl | undefined
  readonly #fill: CacheFill
  readonly #taker: Taker | undefined
  readonly #repeat: () => void
  #output:
    | { write(chunk: Uint8Array): boolean; end(rawTrailers: readonly string[]): void; fail(error: unknown): void }
    | undefined
  /** What arrives before the gateway asks for the body. */
  readonly #early: (() => void)[] = []
  #hasHead = false
  #stores = false
  #isOver = false

  constructor(fill: CacheFill, taker: Taker | undefined, repeat: () => void) {
    this.#fill = fill
    this.#taker = taker
    this.#repeat = repeat
  }

  onResponse(status: number, _: string, rawHeaders: readonly string[]): void {
    const received = this.#fill.receive(status, rawHeaders)
    if (received.kind === 'repeat' || received.kind === 'respond') {
      this.#isOver = true
      if (received.kind === 'respond') this.#taker?.respond(received.response)
      // The response may still have a body, which is not needed.
      if (status !== 304) this.control?.abort(new SdError('SD_ABORTED', ended))
      if (received.kind === 'repeat') this.#repeat()
      return
    }
    this.#hasHead = true
    this.#stores = received.kind === 'store'
    if (!this.#taker && !this.#stores) this.control?.abort(new SdError('SD_ABORTED', ended))
    const fields = [...rawHeaders, 'cache-status', received.cacheStatus]
    this.#taker?.reply({ status, rawHeaders: withoutLength(fields), body: (output) => this.#begin(output) })
  }

  onData(chunk: Uint8Array): void {
    if (this.#isOver) return
    if (this.#stores) this.#fill.write(chunk)
    if (!this.#taker) return
    this.#push(() => {
      if (this.#output?.write(chunk) === false) this.control?.pause()
    })
    if (!this.#output) this.control?.pause()
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#isOver) return
    if (this.#stores) this.#fill.end(rawTrailers)
    this.#isOver = true
    this.#push(() => this.#output?.end(rawTrailers))
  }

  onError(error: SdError): void {
    if (this.#isOver) return
    this.#isOver = true
    const response = this.#hasHead ? undefined : this.#fill.fail()
    this.#fill.abort()
    if (response) this.#taker?.respond(response)
    else this.#taker?.fail(error)
    this.#push(() => this.#output?.fail(error))
  }

  /** The gateway writes the body of the reply. Nothing may be written before this has returned. */
  #begin(output: Output): { resume(): void; destroy(): void } {
    queueMicrotask(() => {
      this.#output = output
      for (const push of this.#early.splice(0)) push()
      this.control?.resume()
    })
    return {
      resume: () => this.control?.resume(),
      destroy: () => this.abort(),
    }
  }

  /** The exchange has ended. Idempotent. */
  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#fill.abort()
    this.control?.abort(new SdError('SD_ABORTED', ended))
  }

  #push(step: () => void): void {
    if (this.#output) step()
    else this.#early.push(step)
  }
}

/** The gateway sets the length itself, and does not know that of a body that is written piece by piece. */
function withoutLength(raw: readonly string[]): string[] {
  return raw.filter((_, index) => raw[index - (index % 2)] !== 'content-length')
}
