import type { DatagramContext, DatagramFront, DatagramProtocol, DatagramSource } from '@sd/gateway'
import { readUdpOptions } from './udp-options.ts'
import { UdpSession } from './udp-session.ts'

/** How often sessions are looked at, in milliseconds. */
const sweepMs = 100

/** Creates the protocol `udp`: datagrams of one client address are a session, which goes to one instance of the service. */
export function createUdp(): DatagramProtocol {
  return {
    kind: 'datagram',
    name: 'udp',
    checkOptions: (options, path) => void readUdpOptions(options, path),
    createFront: (context) => new UdpFront(context),
  }
}

class UdpFront implements DatagramFront {
  readonly #context: DatagramContext
  /** The longest idle first. */
  readonly #sessions = new Map<string, UdpSession>()
  #timer: ReturnType<typeof setInterval> | undefined
  #isEnding = false
  #halfTimer: ReturnType<typeof setTimeout> | undefined
  #onEmpty: (() => void) | undefined

  constructor(context: DatagramContext) {
    this.#context = context
  }

  get connections(): number {
    return this.#sessions.size
  }

  receive(message: Uint8Array, source: DatagramSource): void {
    const key = `${source.address} ${source.port}`
    const known = this.#sessions.get(key)
    if (known) {
      this.#sessions.delete(key)
      this.#sessions.set(key, known)
      known.receive(message)
      return
    }
    if (this.#isEnding) return
    const [oldest] = this.#sessions.size >= this.#context.limits.connections ? this.#sessions.values() : []
    oldest?.end('replaced')
    const session = new UdpSession(this.#context, source, () => this.#ended(key))
    this.#sessions.set(key, session)
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs)
    session.receive(message)
  }

  beginDrain(): void {
    // A datagram can't ask its client to go elsewhere.
  }

  finish(limitMs: number): Promise<void> {
    this.#isEnding = true
    if (this.#sessions.size === 0) return Promise.resolve()
    this.#halfTimer ??= setTimeout(() => this.#endAll(), limitMs / 2)
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  destroy(): void {
    this.#isEnding = true
    this.#endAll()
    clearTimeout(this.#halfTimer)
  }

  #endAll(): void {
    for (const session of [...this.#sessions.values()]) session.end(undefined)
  }

  #sweep(): void {
    const now = performance.now()
    for (const session of [...this.#sessions.values()]) if (session.isIdle(now)) session.end('idle')
  }

  #ended(key: string): void {
    this.#sessions.delete(key)
    if (this.#sessions.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    clearTimeout(this.#halfTimer)
    this.#onEmpty?.()
  }
}
