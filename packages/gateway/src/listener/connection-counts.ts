import { readIpNetwork } from '@sd/core'

/**
 * Open connections of a listener, in total and by the network of the client: an IPv4 address, or the /64 of an IPv6 address.
 *
 * A connection over a limit is closed at once. If the gateway stopped accepting instead, connections would wait in the queue
 * of the system, and neither a load balancer nor a client would learn that this gateway is full.
 */
export class ConnectionCounts {
  #total = 0
  readonly #byNetwork = new Map<string, number>()

  get total(): number {
    return this.#total
  }

  /** Counts a connection. Returns false, and does not count it, if there are `max`. */
  add(max: number): boolean {
    if (this.#total >= max) return false
    this.#total++
    return true
  }

  remove(): void {
    this.#total--
  }

  /**
   * Counts a connection for its client.
   *
   * @returns a function that is called when the connection ends; `undefined` if the client has `max`
   */
  addClient(address: string, max: number): (() => void) | undefined {
    const network = readIpNetwork(address) ?? address
    const count = this.#byNetwork.get(network) ?? 0
    if (count >= max) return undefined
    this.#byNetwork.set(network, count + 1)
    return () => {
      const left = (this.#byNetwork.get(network) ?? 1) - 1
      if (left === 0) this.#byNetwork.delete(network)
      else this.#byNetwork.set(network, left)
    }
  }
}
