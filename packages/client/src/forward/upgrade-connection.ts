import { Duplex } from 'node:stream'
import { type SdError, toSdError } from '@sd/core'
import type { ForwardControl, ForwardHandler, ForwardRequest } from './forward.ts'

/** Largest head of an upgrade request, in bytes: Node's own limit for a head. */
const maxHeadBytes = 16_384

const bodyMessage = "an upgrade request can't have a body"

/** Sends the request. */
interface Forwarder {
  /** See `ServiceClient.forward`. */
  forward(request: ForwardRequest, handler: ForwardHandler): ForwardControl
}

/**
 * A connection for one upgrade to a service, for libraries that take a connection rather than a dispatcher, such as
 * `ws`: `new WebSocket('ws://chat/path', { createConnection: () => createUpgradeConnection(client, 'chat') })`. A
 * request that is written to it becomes a call of the client, with all policies. Data from the instance can be read
 * from it.
 */
export function createUpgradeConnection(client: Forwarder, service: string): Duplex {
  return new UpgradeConnection(client, service)
}

class UpgradeConnection extends Duplex implements ForwardHandler {
  readonly #client: Forwarder
  readonly #service: string
  #head = Buffer.alloc(0)
  #control: ForwardControl | undefined
  #socket: Duplex | undefined

  constructor(client: Forwarder, service: string) {
    super()
    this.#client = client
    this.#service = service
  }

  onResponse(status: number, statusText: string, rawHeaders: readonly string[]): void {
    // It is read to its end, whatever its framing was.
    const kept = rawHeaders.filter(
      (_, index) => !/^(?:connection|keep-alive|transfer-encoding)$/i.test(rawHeaders[index - (index % 2)] as string),
    )
    this.#pushHead(status, statusText, [...kept, 'connection', 'close'])
  }

  onData(chunk: Uint8Array): void {
    if (!this.push(chunk)) this.#control?.pause()
  }

  onEnd(): void {
    this.push(null)
  }

  onUpgrade(socket: Duplex, rawHeaders: readonly string[]): void {
    this.#socket = socket
    this.#pushHead(101, 'Switching Protocols', rawHeaders)
    socket.on('data', (chunk: Uint8Array) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  onError(error: SdError): void {
    this.destroy(error)
  }

  override _read(): void {
    this.#control?.resume()
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket) {
      this.#socket.write(chunk, done)
      return
    }
    try {
      this.#takeHead(chunk)
      done()
    } catch (error) {
      done(toSdError(error, 'SD_INVALID', 'Upgrading'))
    }
  }

  override _final(done: () => void): void {
    this.#socket?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket?.destroy()
    if (!this.#socket) this.#control?.abort(toSdError(error ?? new Error('closed'), 'SD_ABORTED', 'Upgrading'))
    done(error)
  }

  /** Collects the head of the request, and begins the call when it is complete. */
  #takeHead(chunk: Buffer): void {
    if (this.#control) throw new Error(bodyMessage)
    this.#head = Buffer.concat([this.#head, chunk])
    if (this.#head.length > maxHeadBytes) throw new Error(`the head of the request is larger than ${maxHeadBytes} bytes`)
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    if (this.#head.length > end + 4) throw new Error(bodyMessage)
    const [line = '', ...fields] = this.#head.toString('latin1', 0, end).split('\r\n')
    const [method = '', path = ''] = line.split(' ')
    const rawHeaders: string[] = []
    let upgrade = ''
    for (const field of fields) {
      const colon = field.indexOf(':')
      const name = field.slice(0, colon)
      const value = field.slice(colon + 1).trim()
      if (name.toLowerCase() === 'upgrade') upgrade = value
      else if (name.toLowerCase() !== 'host') rawHeaders.push(name, value)
    }
    this.#control = this.#client.forward({ service: this.#service, method, path, rawHeaders, upgrade }, this)
  }

  #pushHead(status: number, statusText: string, rawHeaders: readonly string[]): void {
    let head = `HTTP/1.1 ${status} ${statusText}\r\n`
    for (let index = 0; index < rawHeaders.length; index += 2) head += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`
    this.push(Buffer.from(`${head}\r\n`, 'latin1'))
  }
}
