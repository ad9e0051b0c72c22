import { SdError } from '@sd/core'
import { type Http1Head, malformed, readFields, readHead } from './response-head.ts'

/** Receives the parts of responses. */
export interface ParserSink {
  /** Whether nothing is to be read any more. */
  readonly isOver: boolean
  onHead(head: Http1Head): void
  /** Bytes of the body, which the sink owns. */
  onBody(chunk: Buffer): void
}

/** What is read next. */
type State = 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'complete'

/** Longest line with the size of a chunk. */
const maxSizeLine = 1_024
const sizeLine = /^([\da-f]{1,12})(;[\t\x20-\x7e\x80-\xff]*)?$/i
const empty = Buffer.alloc(0)
const noFields: readonly string[] = Object.freeze([])
/** Informational responses before the final one. */
const maxInformational = 1_000

/**
 * Reads the responses of a connection, strictly (RFC 9112): what llhttp refuses in its strict mode is refused here too, and every
 * other encoding than `chunked`. It keeps no bytes of what it was given.
 */
export class ResponseParser {
  /** Trailer fields of a complete response. */
  rawTrailers: readonly string[] = noFields
  /** Whether the server keeps the connection open after the response. */
  keepsAlive = false
  keepAliveMs: number | undefined
  readonly #sink: ParserSink
  readonly #maxHeadBytes: number
  #state: State = 'complete'
  #isBodiless = false
  #left = 0
  #rest = empty
  #extensionBytes = 0
  #informational = 0
  #pieces: Buffer[] = []

  constructor(sink: ParserSink, maxHeadBytes: number) {
    this.#sink = sink
    this.#maxHeadBytes = maxHeadBytes
  }

  get isComplete(): boolean {
    return this.#state === 'complete'
  }

  /** A request was sent. @param method the response to HEAD has no body */
  begin(method: string): void {
    this.#state = 'head'
    this.#isBodiless = method === 'HEAD'
    this.#rest = empty
    this.#extensionBytes = 0
    this.#informational = 0
    this.rawTrailers = noFields
  }

  /** Reads bytes. @returns how many belong to something after the response. Throws an `SdError` for a response that is not valid */
  push(given: Buffer): number {
    const data = this.#rest.length === 0 ? given : Buffer.concat([this.#rest, given])
    this.#rest = empty
    let at = 0
    while (!this.#sink.isOver && this.#state !== 'complete') {
      const next = this.#step(data, at)
      if (next < 0) {
        this.#rest = Buffer.from(data.subarray(at))
        at = data.length
        break
      }
      at = next
    }
    this.#deliver()
    return data.length - at
  }

  /** The connection has ended. @returns whether that was the end of the response */
  finish(): boolean {
    if (this.#state !== 'until-close') return false
    this.#state = 'complete'
    return true
  }

  /** One step from a place on. @returns the next place, or -1 if more bytes are needed */
  #step(data: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(data, at)
      case 'chunk-size':
        return this.#readSize(data, at)
      case 'chunk-end':
        return this.#readChunkEnd(data, at)
      case 'trailers':
        return this.#readTrailers(data, at)
      default:
        return this.#readBody(data, at)
    }
  }

  #readHead(data: Buffer, at: number): number {
    const end = data.indexOf('\r\n\r\n', at, 'latin1')
    if (end < 0 || end - at > this.#maxHeadBytes) return this.#awaitEnd(data, at, 'head')
    const head = readHead(data.toString('latin1', at, end))
    const { status, length, isChunked } = head
    if (status < 200 && status !== 101) {
      if (++this.#informational > maxInformational) throw malformed('too many informational responses')
    } else {
      this.keepsAlive = head.keepsAlive
      this.keepAliveMs = head.keepAliveMs
      this.#left = length
      const isBodiless = this.#isBodiless || status === 101 || status === 204 || status === 304 || length === 0
      if (isBodiless) this.#state = 'complete'
      else if (isChunked) this.#state = 'chunk-size'
      else if (Number.isNaN(length)) {
        this.#state = 'until-close'
        this.keepsAlive = false
      } else this.#state = 'length'
    }
    this.#sink.onHead(head)
    return end + 4
  }

  /** Refuses what can't become a head or trailer fields any more. */
  #awaitEnd(data: Buffer, at: number, what: string): -1 {
    if (data.length - at > this.#maxHeadBytes) {
      const message = `The ${what} of the response is longer than ${this.#maxHeadBytes} bytes`
      throw new SdError('SD_TOO_LARGE', message, { origin: 'caller', retryable: false })
    }
    if (/(?:^|[^\r])\n/.test(data.toString('latin1', at))) throw malformed(`a line of its ${what} without CR`)
    if (what === 'head' && !'HTTP/1.'.startsWith(data.toString('latin1', at, at + 7))) throw malformed('its status line')
    return -1
  }

  #readBody(data: Buffer, at: number): number {
    if (at === data.length) return -1
    const isLimited = this.#state !== 'until-close'
    const end = isLimited ? Math.min(data.length, at + this.#left) : data.length
    this.#pieces.push(data.subarray(at, end))
    if (!isLimited) return end
    this.#left -= end - at
    if (this.#left === 0) this.#state = this.#state === 'length' ? 'complete' : 'chunk-end'
    return end
  }

  #readSize(data: Buffer, at: number): number {
    const end = data.indexOf('\r\n', at, 'latin1')
    if (end < 0 ? data.length - at > maxSizeLine : end - at > maxSizeLine) throw malformed('the size of a chunk')
    if (end < 0) return -1
    const [, size, extension = ''] = sizeLine.exec(data.toString('latin1', at, end)) ?? []
    this.#extensionBytes += extension.length
    if (size === undefined || this.#extensionBytes > this.#maxHeadBytes) throw malformed('the size of a chunk')
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk'
    return end + 2
  }

  #readChunkEnd(data: Buffer, at: number): number {
    if (data.length - at < 2) {
      if (data.length > at && data[at] !== 13) throw malformed('the end of a chunk')
      return -1
    }
    if (data[at] !== 13 || data[at + 1] !== 10) throw malformed('the end of a chunk')
    this.#state = 'chunk-size'
    return at + 2
  }

  #readTrailers(data: Buffer, at: number): number {
    if (data.length - at < 2) return -1
    if (data[at] === 13 && data[at + 1] === 10) {
      this.#state = 'complete'
      return at + 2
    }
    const end = data.indexOf('\r\n\r\n', at, 'latin1')
    if (end < 0 || end - at > this.#maxHeadBytes) return this.#awaitEnd(data, at, 'trailer section')
    this.rawTrailers = readFields(data.toString('latin1', at, end), 0, ignore)
    this.#state = 'complete'
    return end + 4
  }

  /** Passes the body on that was read at once, in one piece: the reader owns the bytes that were given. */
  #deliver(): void {
    if (this.#pieces.length === 0) return
    const pieces = this.#pieces
    this.#pieces = []
    if (this.#sink.isOver) return
    this.#sink.onBody(pieces.length === 1 ? Buffer.from(pieces[0] as Buffer) : Buffer.concat(pieces))
  }
}

function ignore(): void {}
