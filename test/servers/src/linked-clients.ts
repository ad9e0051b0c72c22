import type { FaultyLink, Toxiproxy } from './toxiproxy.ts'

/**
 * Clients of one backend, each with its own connection that can be cut: what the contracts of `@sd/testing` require of a
 * harness.
 */
export interface LinkedClients<T extends object> {
  /** Opens another client. */
  open(): Promise<T>
  /** Cuts or restores the connection of a client. */
  setConnected(client: T, connected: boolean): Promise<void>
  /** Removes all connections. */
  dispose(): Promise<void>
}

/** Connects each client through Toxiproxy. @param open creates a client that connects to the given port of 127.0.0.1 */
export function createLinkedClients<T extends object>(
  toxiproxy: Toxiproxy,
  upstreamPort: number,
  open: (port: number) => T,
): LinkedClients<T> {
  const links = new Map<T, FaultyLink>()
  return {
    async open() {
      const link = await toxiproxy.link(upstreamPort)
      const client = open(link.port)
      links.set(client, link)
      return client
    },
    async setConnected(client, connected) {
      const link = links.get(client)
      await (connected ? link?.restore() : link?.cut())
    },
    async dispose() {
      await Promise.all([...links.values()].map((link) => link.close()))
    },
  }
}
