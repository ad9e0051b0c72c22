import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { GatewayStream, StreamEnd } from '@sd/gateway'
import { passBytes } from './pass-bytes.ts'

/** Parts of the idle time after which traffic is looked for. */
const idleParts = 4

/** A client and a service that are connected: bytes flow both ways, and either side may end before the other. */
export class JoinedConnections {
  readonly #client: Socket
  readonly #service: Duplex
  readonly #stream: GatewayStream
  #reason: StreamEnd | undefined
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param idleMs without traffic in either direction; 0 for no limit */
  constructor(client: Socket, service: Duplex, { stream, idleMs }: { stream: GatewayStream; idleMs: number }) {
    this.#client = client
    this.#service = service
    this.#stream = stream
    client.once('end', () => {
      this.#reason ??= 'client'
    })
    service.once('end', () => {
      this.#reason ??= 'service'
    })
    client.once('close', (hasFailed) => this.#closed(client, service, hasFailed))
    service.once('close', () => this.#closed(service, client, service.errored !== null))
    passBytes(client, service)
    passBytes(service, client)
    if (idleMs > 0) this.#watch(idleMs)
  }

  /** Ends the side that the service reads. Its end is passed to the client, with what it sends before. */
  end(): void {
    this.#reason ??= 'drain'
    this.#service.end()
    this.#client.resume()
  }

  cut(reason: StreamEnd): void {
    this.#reason ??= reason
    this.#client.destroy()
    this.#service.destroy()
  }

  #closed(one: Duplex, other: Duplex, hasFailed: boolean): void {
    if (hasFailed) {
      if (one === this.#client || this.#reason === undefined) this.#reason ??= 'error'
      // The other side learns that the bytes are not complete.
      if (other instanceof Socket && !other.destroyed) other.resetAndDestroy()
      else other.destroy()
    } else if (!one.readableEnded) other.destroy()
    if (one !== this.#client) return
    clearInterval(this.#timer)
    this.#stream.ended({ reason: this.#reason, bytesIn: this.#client.bytesRead, bytesOut: writtenBy(this.#client) })
  }

  #watch(idleMs: number): void {
    let last = -1
    let quiet = 0
    this.#timer = setInterval(
      () => {
        const total = this.#traffic()
        quiet = total === last ? quiet + 1 : 0
        last = total
        if (quiet >= idleParts) this.cut('idle')
      },
      Math.max(1, idleMs / idleParts),
    )
  }

  #traffic(): number {
    return [this.#client, this.#service].reduce((sum, side) => {
      return side instanceof Socket ? sum + side.bytesRead + writtenBy(side) : sum
    }, 0)
  }
}

/** Bytes that the system has taken. */
function writtenBy({ bytesWritten, writableLength }: Socket): number {
  return Math.max(0, bytesWritten - writableLength)
}
