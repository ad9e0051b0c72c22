import { readIpNetwork } from '@sd/core'
import type { GatewayConnection } from '../listener/connection.ts'

/** For how long a network is remembered after its last flood, and how long its new connections wait, in milliseconds. */
const memoryMs = 10_000
const waitMs = 1_000

const mostNetworks = 10_000

/**
 * Networks whose connections were closed for a flood. Their new connections wait for a second: a client that floods, is closed
 * and connects again would cost nearly as much as without the limit. Others behind the same address only wait.
 */
export class Flooders {
  readonly #until = new Map<string, number>()

  /** A connection was closed for a flood. */
  add({ remoteAddress, isTrusted }: GatewayConnection): void {
    // Many clients share a trusted proxy.
    if (isTrusted) return
    const [oldest] = this.#until.keys()
    if (this.#until.size >= mostNetworks && oldest !== undefined) this.#until.delete(oldest)
    this.#until.set(networkOf(remoteAddress), performance.now() + memoryMs)
  }

  /** How long a new connection waits, in milliseconds. */
  delayOf({ remoteAddress }: GatewayConnection): number {
    if (this.#until.size === 0) return 0
    const network = networkOf(remoteAddress)
    const until = this.#until.get(network)
    if (until === undefined) return 0
    if (performance.now() < until) return waitMs
    this.#until.delete(network)
    return 0
  }
}

function networkOf(address: string): string {
  return readIpNetwork(address) ?? address
}
