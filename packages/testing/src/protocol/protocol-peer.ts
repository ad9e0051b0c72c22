import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { eventually } from '../waiting.ts'

/** One end of a connection: a client, or the service. It records what arrives. */
export class ProtocolPeer {
  readonly socket: Socket
  hasEnded = false
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#bytes += chunk.byteLength
    })
    socket.on('end', () => {
      this.hasEnded = true
    })
  }

  get bytes(): number {
    return this.#bytes
  }

  get received(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }

  get isClosed(): boolean {
    return this.socket.closed
  }

  /** Waits until these octets have arrived, and no others. */
  async until(expected: Uint8Array, limitMs: number, who: string): Promise<void> {
    await eventually(
      () => assert.ok(this.#bytes >= expected.byteLength, `${who} has ${this.#bytes} of ${expected.byteLength} octets`),
      limitMs,
    )
    assert.ok(this.received.equals(expected), `${who} has received other octets than were sent`)
  }

  async untilEnded(limitMs: number, who: string): Promise<void> {
    await eventually(() => assert.ok(this.hasEnded, `${who} has not received the end of the other side`), limitMs)
  }

  async untilClosed(limitMs: number, who: string): Promise<void> {
    await eventually(() => assert.ok(this.isClosed, `the connection of ${who} is still open`), limitMs)
  }

  /** Waits until the other side has ended the connection, in whatever way. */
  async untilLeft(limitMs: number, who: string): Promise<void> {
    await eventually(() => assert.ok(this.hasEnded || this.isClosed, `the connection of ${who} has not ended`), limitMs)
  }

  /** Writes until `total` octets are accepted. The result tells how many are. */
  push(chunk: Uint8Array, total: number): { readonly sent: number; readonly done: Promise<void> } {
    const state = { sent: 0, done: Promise.resolve() }
    const run = async (): Promise<void> => {
      while (state.sent < total && !this.socket.destroyed) {
        const goesOn = this.socket.write(chunk)
        state.sent += chunk.byteLength
        if (!goesOn) await once(this.socket, 'drain')
      }
    }
    state.done = run()
    // A connection that closes ends the wait for room: the case sees what is missing.
    state.done.catch(() => {})
    return state
  }
}
