import type { ForwardControl } from '@sd/client'
import { SdError } from '@sd/core'
import type { CreateBodyTransform } from '../filters/body-transform.ts'
import type { GatewayCall } from '../protocol.ts'
import type { MinBodyRate } from '../table/table.ts'
import { BodyChain, type TransformOwner } from './body-chain.ts'
import type { BodyPaces, PacedBody } from './body-pace.ts'
import type { Downstream } from './downstream.ts'
import { filterError } from './filter-hooks.ts'
import type { OutcomeRecorder } from './outcome-recorder.ts'
import { detailOf } from './reply.ts'
import { readTrailers } from './response-fields.ts'

/** Between which ends a request body passes. */
export interface RequestBodyEnds {
  readonly downstream: Pick<Downstream, 'pauseBody' | 'resumeBody'>
  readonly control: ForwardControl
  readonly record: Pick<OutcomeRecorder, 'mirror' | 'status'>
  readonly call: GatewayCall | undefined
  /** The body can't be read to its end. */
  onFailure(...failure: BodyFailure): void
}

/** What a request body must keep to. */
export interface BodyRules {
  readonly transforms: readonly CreateBodyTransform[] | undefined
  /** Most bytes. */
  readonly limit: number | undefined
  readonly rate: Required<MinBodyRate>
  readonly paces: BodyPaces
}

/** Why a body is not passed on, with the response. */
export type BodyFailure = [status: number, error: SdError, detail: string]

/** A body is longer than the route allows. */
export function tooLong(limit: number): BodyFailure {
  const detail = `The request body is longer than ${limit} bytes.`
  return [413, new SdError('SD_TOO_LARGE', detail), detail]
}

/** The body of a request on its way to the service and to the mirror: through its transforms, with back-pressure. */
export class RequestBody implements TransformOwner, PacedBody {
  readonly #ends: RequestBodyEnds
  readonly #chain: BodyChain | undefined
  readonly #limit: number
  readonly #paces: BodyPaces
  /** Bytes that the client has sent. */
  bytes = 0
  isPaused = false

  constructor(ends: RequestBodyEnds, { transforms, limit = Number.POSITIVE_INFINITY, rate, paces }: BodyRules) {
    this.#ends = ends
    this.#limit = limit
    this.#paces = paces
    paces.add(this, rate)
    if (transforms) this.#chain = new BodyChain(transforms, { write: (chunk) => this.#send(chunk) }, this)
  }

  /** Takes a chunk from the client. */
  write(chunk: Uint8Array): void {
    this.bytes += chunk.byteLength
    if (this.bytes > this.#limit) {
      this.#ends.onFailure(...tooLong(this.#limit))
      return
    }
    const continues = this.#chain ? this.#chain.write(chunk) : this.#send(chunk)
    if (continues) return
    this.isPaused = true
    this.#ends.downstream.pauseBody()
  }

  /** The body is complete. @param rawTrailers as the client sent them */
  end(rawTrailers: readonly string[]): void {
    this.#paces.delete(this)
    const trailers = readTrailers(rawTrailers)
    if (this.#chain) this.#chain.end(trailers)
    else this.onTransformEnd(trailers)
  }

  /** The service takes more. */
  resume(): void {
    if (this.#chain) this.#chain.resume()
    else this.onTransformDrain()
  }

  /** Ends the transforms. Idempotent. */
  destroy(): void {
    this.#paces.delete(this)
    this.#chain?.destroy()
  }

  onSlow(): void {
    // A service that has begun to respond decides itself how long it listens: streams in both directions may be silent.
    if (this.#ends.record.status > 0) return
    const detail = 'The request body arrives too slowly.'
    this.#ends.onFailure(408, new SdError('SD_TIMEOUT', detail, { origin: 'caller' }), detail)
  }

  onTransformDrain(): void {
    this.isPaused = false
    this.#ends.downstream.resumeBody()
  }

  onTransformEnd(rawTrailers: readonly string[]): void {
    this.#ends.record.mirror?.end()
    this.#ends.control.end(rawTrailers)
  }

  onTransformError(thrown: unknown): void {
    this.#ends.onFailure(...transformFailure(thrown))
  }

  #send(chunk: Uint8Array): boolean {
    this.#ends.record.mirror?.write(chunk)
    this.#ends.call?.onRequestData?.(chunk)
    return this.#ends.control.write(chunk)
  }
}

/** What a transform reports as invalid or as too large, the client has sent. */
function transformFailure(thrown: unknown): BodyFailure {
  const isOfClient = thrown instanceof SdError && (thrown.code === 'SD_INVALID' || thrown.code === 'SD_TOO_LARGE')
  if (!isOfClient) return [500, filterError(thrown), detailOf(500)]
  const status = thrown.code === 'SD_INVALID' ? 400 : 413
  return [status, thrown, detailOf(status)]
}
