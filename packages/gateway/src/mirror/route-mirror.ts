import type { ForwardHandler, ForwardRequest } from '@sd/client'
import type { MirrorOutcome } from '../filters/filter.ts'
import { createSampler } from '../routing/weighted-choice.ts'
import type { MirrorSpec } from '../table/table.ts'

/** Sends the copies. */
export interface MirrorClient {
  forward(request: ForwardRequest, handler: ForwardHandler): unknown
}

const defaultConcurrency = 100
const defaultBodyBytes = 65_536

/** Copies the requests of a route. */
export class RouteMirror {
  readonly service: string
  readonly bodyBytes: number
  readonly #concurrency: number
  readonly #sample: () => boolean
  #open = 0

  constructor({ service, percent = 100, concurrency = defaultConcurrency, bodyBytes = defaultBodyBytes }: MirrorSpec) {
    this.service = service
    this.bodyBytes = bodyBytes
    this.#concurrency = concurrency
    this.#sample = createSampler(percent)
  }

  /** Begins the copy of a request. @returns `undefined` if this request is not among those that are copied */
  begin(client: MirrorClient, request: ForwardRequest): MirrorCopy | undefined {
    if (request.upgrade !== undefined || !this.#sample()) return undefined
    const isFull = this.#open >= this.#concurrency
    if (!isFull) this.#open++
    return new MirrorCopy(client, request, { mirror: this, isFull, release: () => void this.#open-- })
  }
}

/** The copy of one request. It is sent when the body is complete: a body that is still arriving would slow the request down. */
export class MirrorCopy implements ForwardHandler {
  outcome: MirrorOutcome | undefined
  readonly #client: MirrorClient
  readonly #request: ForwardRequest
  /** A copy: those of the request may change. */
  readonly #rawHeaders: readonly string[]
  readonly #mirror: RouteMirror
  #release: (() => void) | undefined
  #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(
    client: MirrorClient,
    request: ForwardRequest,
    { mirror, isFull, release }: { mirror: RouteMirror; isFull: boolean; release: () => void },
  ) {
    this.#client = client
    this.#request = request
    this.#rawHeaders = [...(request.cleanHeaders ?? request.rawHeaders ?? [])]
    this.#mirror = mirror
    if (isFull) this.outcome = 'dropped'
    else this.#release = release
    if (!request.hasBody) this.end()
  }

  /** A chunk of the request body. */
  write(chunk: Uint8Array): void {
    if (this.outcome) return
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#mirror.bodyBytes) this.drop()
    else this.#chunks.push(chunk)
  }

  /** The request body is complete. */
  end(): void {
    if (this.outcome) return
    this.outcome = 'sent'
    const { method, path } = this.#request
    const rawHeaders = this.#rawHeaders
    const body = this.#request.hasBody ? Buffer.concat(this.#chunks) : undefined
    this.#chunks = []
    try {
      this.#client.forward({ service: this.#mirror.service, method, path, rawHeaders, ...(body && { body }) }, this)
    } catch {
      // The client is closed. The request itself says so.
      this.onError()
    }
  }

  /** Gives the copy up, unless it was sent. */
  drop(): void {
    if (this.outcome) return
    this.outcome = 'dropped'
    this.#chunks = []
    this.onError()
  }

  onResponse(): void {}

  onData(): void {}

  onEnd(): void {
    this.onError()
  }

  onError(): void {
    this.#release?.()
    this.#release = undefined
  }
}
