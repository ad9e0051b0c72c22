import type { Duplex } from 'node:stream'
import type { Downstream } from '../exchange/downstream.ts'
import { formatHead } from './format-head.ts'

/** How long a client has to close its side after the last response, in milliseconds. */
const lingerMs = 1_000

/**
 * Sends the last response of a connection that no longer belongs to a parser: to a request that could not be read, or that asks
 * for another protocol. Its end is the end of the connection, unless it has a length.
 */
export class RawDownstream implements Downstream {
  readonly #socket: Duplex
  readonly #protocol: string
  /** Whether the connection has changed its protocol. */
  isUpgraded = false

  /** @param protocol that the connection changes to if the service agrees */
  constructor(socket: Duplex, protocol: string = '') {
    this.#socket = socket
    this.#protocol = protocol
  }

  acceptBody(): void {}

  information(): void {}

  closeAfter(): void {}

  head(status: number, statusText: string, rawHeaders: string[]): void {
    this.#socket.cork()
    this.#socket.write(formatHead(status, statusText, [...rawHeaders, 'connection', 'close']), 'latin1')
    process.nextTick(() => this.#socket.uncork())
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.write(chunk)
  }

  end(): void {
    const socket = this.#socket
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => clearTimeout(timer))
    socket.end()
    socket.resume()
  }

  upgrade(rawHeaders: readonly string[]): Duplex {
    this.isUpgraded = true
    const fields = [...rawHeaders, 'connection', 'upgrade', 'upgrade', this.#protocol]
    this.#socket.write(formatHead(101, 'Switching Protocols', fields), 'latin1')
    return this.#socket
  }

  cut(): void {
    this.#socket.destroy()
  }

  pauseBody(): void {}

  resumeBody(): void {}
}
