import type { ForwardControl } from '@sd/client'
import { SdError } from '@sd/core'
import type { CreateBodyTransform } from '../filters/body-transform.ts'
import type { MirrorCopy } from '../mirror/route-mirror.ts'
import type { GatewayCall } from '../protocol.ts'
import { BodyChain, type TransformOwner } from './body-chain.ts'
import type { Downstream } from './downstream.ts'
import { filterError } from './filter-hooks.ts'
import { detailOf } from './reply.ts'
import { readTrailers } from './response-fields.ts'

/** Between which ends a request body passes. */
export interface RequestBodyEnds {
  readonly downstream: Pick<Downstream, 'pauseBody' | 'resumeBody'>
  readonly control: ForwardControl
  readonly mirror: MirrorCopy | undefined
  readonly call: GatewayCall | undefined
  /** The body can't be read to its end. */
  onFailure(...failure: BodyFailure): void
}

/** Why a body is not passed on, with the response. */
export type BodyFailure = [status: number, error: SdError, detail: string]

/** A body is longer than the route allows. */
export function tooLong(limit: number): BodyFailure {
  const detail = `The request body is longer than ${limit} bytes.`
  return [413, new SdError('SD_TOO_LARGE', detail), detail]
}

/** The body of a request on its way to the service and to the mirror: through its transforms, with back-pressure. */
export class RequestBody implements TransformOwner {
  readonly #ends: RequestBodyEnds
  readonly #chain: BodyChain | undefined
  readonly #limit: number
  /** Bytes that the client has sent. */
  bytes = 0

  /** @param limit most bytes that the client may send */
  constructor(
    ends: RequestBodyEnds,
    transforms: readonly CreateBodyTransform[] | undefined,
    limit: number = Number.POSITIVE_INFINITY,
  ) {
    this.#ends = ends
    this.#limit = limit
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
    if (!continues) this.#ends.downstream.pauseBody()
  }

  /** The body is complete. @param rawTrailers as the client sent them */
  end(rawTrailers: readonly string[]): void {
    const trailers = readTrailers(rawTrailers)
    if (this.#chain) this.#chain.end(trailers)
    else this.onTransformEnd(trailers)
  }

  /** The service takes more. */
  resume(): void {
    if (this.#chain) this.#chain.resume()
    else this.#ends.downstream.resumeBody()
  }

  /** Ends the transforms. Idempotent. */
  destroy(): void {
    this.#chain?.destroy()
  }

  onTransformDrain(): void {
    this.#ends.downstream.resumeBody()
  }

  onTransformEnd(rawTrailers: readonly string[]): void {
    this.#ends.mirror?.end()
    this.#ends.control.end(rawTrailers)
  }

  onTransformError(thrown: unknown): void {
    this.#ends.onFailure(...transformFailure(thrown))
  }

  #send(chunk: Uint8Array): boolean {
    this.#ends.mirror?.write(chunk)
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
