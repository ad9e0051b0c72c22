import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A client that sends bytes as they are, and keeps what it receives. */
export class RawClient {
  readonly socket: Socket
  /** The whole text, once the connection has closed. After a reset it is the text so far. */
  readonly closed: Promise<string>
  text = ''
  #onText: () => void = () => {}

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve(this.text)))
    this.socket.on('end', () => this.socket.end())
    this.socket.on('data', (chunk: string) => {
      this.text += chunk
      this.#onText()
    })
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  send(text: string | Uint8Array): this {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
    return this
  }

  /** Waits for a text. @returns all text so far */
  async until(expected: string | RegExp): Promise<string> {
    const isThere = () => (typeof expected === 'string' ? this.text.includes(expected) : expected.test(this.text))
    await new Promise<void>((resolve, reject) => {
      this.#onText = () => isThere() && resolve()
      this.socket.once('close', () =>
        isThere() ? resolve() : reject(new Error(`The connection closed before ${expected}: ${JSON.stringify(this.text)}`)),
      )
      this.#onText()
    })
    return this.text
  }
}

/** Sends one text on a connection of its own. @returns what comes until the gateway closes it */
export function exchangeRaw(port: number, text: string): Promise<string> {
  return new RawClient(port).send(text).closed
}
