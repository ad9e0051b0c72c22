import type { Duplex } from 'node:stream'
import type { TelemetryEvents } from '@sd/core'
import { Flow, type FlowOwner, type Side } from './flow.ts'

/** What ended a relay. */
export type RelayEnd = NonNullable<TelemetryEvents['sd:v1:gateway:messages']['end']>

/** Limits of a relay, in milliseconds and bytes; 0 for none. */
export interface RelayLimits {
  readonly idleMs: number
  readonly pingMs: number
  readonly closeTimeoutMs: number
  readonly maxMessageBytes: number
}

/** Counts of both directions. */
export interface RelayCounts {
  readonly messagesIn: number
  readonly bytesIn: number
  readonly messagesOut: number
  readonly bytesOut: number
}

/** Where a relay is. */
export interface RelayParts {
  readonly client: Duplex
  readonly service: Duplex
  readonly limits: RelayLimits
  readonly pingPayload: Buffer
  /** Both connections are closed, or will be without further work. Called once. */
  readonly onEnd: (end: RelayEnd) => void
}

/** A peer of a relay. */
interface Peer {
  readonly connection: Duplex
  /** From the peer to the other one. */
  readonly flow: Flow
  /** By `performance.now()`. */
  heardAt: number
  pingedAt: number
  isGone: boolean
}

/** Passes the frames of a WebSocket on in both directions, and ends it in order whatever one side does. */
export class Relay implements FlowOwner {
  readonly #limits: RelayLimits
  readonly #onEnd: RelayParts['onEnd']
  readonly #peers: Readonly<Record<Side, Peer>>
  #frames = 0
  #activeAt = performance.now()
  #closingSince: number | undefined
  #end: RelayEnd | undefined
  #isOver = false

  constructor({ client, service, limits, pingPayload, onEnd }: RelayParts) {
    this.#limits = limits
    this.#onEnd = onEnd
    const { maxMessageBytes } = limits
    const common = { owner: this, maxMessageBytes: maxMessageBytes || Number.POSITIVE_INFINITY, pingPayload }
    const now = this.#activeAt
    const times = { heardAt: now, pingedAt: now, isGone: false }
    this.#peers = {
      client: { connection: client, flow: new Flow({ ...common, side: 'client', from: client, to: service }), ...times },
      service: { connection: service, flow: new Flow({ ...common, side: 'service', from: service, to: client }), ...times },
    }
    for (const connection of [client, service]) {
      connection.on('close', () => {
        if (client.closed && service.closed) this.#finish()
      })
    }
  }

  get counts(): RelayCounts {
    const { client, service } = this.#peers
    return {
      messagesIn: client.flow.scanner.messages,
      bytesIn: client.flow.scanner.bytes,
      messagesOut: service.flow.scanner.messages,
      bytesOut: service.flow.scanner.bytes,
    }
  }

  /** Asks both peers to close. */
  goAway(reason: 'drain' | 'idle'): void {
    if (this.#end) return
    this.#begin({ reason, closeCode: 1001 })
    const text = reason === 'drain' ? 'the gateway drains' : 'idle'
    for (const { flow } of Object.values(this.#peers)) flow.close(1001, text)
  }

  /** Applies the limits of time. @param now by `performance.now()` */
  check(now: number): void {
    if (this.#isOver) return
    if (this.#closingSince !== undefined) this.#checkClosing(now - this.#closingSince)
    else if (!this.#checkIdle(now)) for (const side of ['client', 'service'] as const) this.#checkAlive(side, now)
  }

  onClose(from: Side, code: number): void {
    this.#begin({ reason: from, closeCode: code })
    this.#endWhenClosed()
  }

  onClosed(): void {
    this.#endWhenClosed()
  }

  /** The other peer gets a CLOSE first, so that what it has sent before arrives. */
  onViolation(from: Side, code: number, reason: string): void {
    const [own, other] = this.#pair(from)
    this.#begin({ reason: code === 1009 ? 'size' : 'protocol', closeCode: code })
    other.flow.replaceClose(code, reason)
    own.flow.close(from === 'client' ? 1001 : 1011, `the ${from} has failed`)
    if (!own.flow.isClosed || other.flow.isDone) other.flow.close(code, reason)
  }

  onSenderGone(from: Side): void {
    const [own, other] = this.#pair(from)
    if (own.isGone) return
    own.isGone = true
    this.#begin({ reason: 'lost', closeCode: 1006 })
    own.flow.close(from === 'client' ? 1001 : 1011, `the ${from} has left`)
    other.flow.abandon()
    own.connection.end()
    // In the middle of a frame nothing else can be sent.
    if (!own.flow.isClosed) other.connection.destroy()
    else if (from === 'client' || other.isGone || other.flow.isDone) other.connection.end()
  }

  /** The first reason counts. */
  #begin(end: RelayEnd): void {
    this.#end ??= end
    this.#closingSince ??= performance.now()
  }

  #pair(from: Side): readonly [own: Peer, other: Peer] {
    const { client, service } = this.#peers
    return from === 'client' ? [client, service] : [service, client]
  }

  /** RFC 6455, 7.1.1: the server closes the connection first, and that is the gateway for the client. */
  #endWhenClosed(): void {
    const { client, service } = this.#peers
    if (!service.flow.isClosed || !client.flow.isDone) return
    client.connection.end()
    if (client.flow.isClosed && service.flow.isDone) service.connection.end()
  }

  #checkClosing(forMs: number): void {
    const { closeTimeoutMs } = this.#limits
    // A peer that broke the protocol waits for the CLOSE of the other one.
    if (forMs >= closeTimeoutMs / 2) for (const { flow } of Object.values(this.#peers)) flow.close(1001, '')
    if (forMs >= closeTimeoutMs) this.#finish()
  }

  #checkIdle(now: number): boolean {
    const { client, service } = this.#peers
    const frames = client.flow.scanner.frames + service.flow.scanner.frames
    if (frames !== this.#frames || client.flow.isPaused || service.flow.isPaused) {
      this.#frames = frames
      this.#activeAt = now
    }
    if (this.#limits.idleMs === 0 || now - this.#activeAt < this.#limits.idleMs) return false
    this.goAway('idle')
    return true
  }

  #checkAlive(side: Side, now: number): void {
    const { pingMs } = this.#limits
    const [own, other] = this.#pair(side)
    // One that has to wait for the other is not heard.
    if (own.flow.hasHeard || own.flow.isPaused || other.flow.hasDrained) {
      own.flow.hasHeard = false
      other.flow.hasDrained = false
      own.heardAt = now
    }
    if (pingMs === 0) return
    // After a standstill of this process a peer gets its PING, and the time to respond, first.
    if (own.pingedAt > own.heardAt) {
      if (now - own.pingedAt >= pingMs) own.connection.destroy()
    } else if (now - own.heardAt >= pingMs && other.flow.ping()) own.pingedAt = now
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { client, service } = this.#peers
    client.connection.destroy()
    service.connection.destroy()
    this.#onEnd(this.#end as RelayEnd)
  }
}
