import { randomUUID } from 'node:crypto'
import type { FaultyLink, TestServer, Toxiproxy } from '@sd/test-servers'

/** A backend under test, and the means to break it. */
export interface FaultTarget {
  /** The server, or the one of several that clients connect to. */
  readonly server: TestServer
  /** Its port on 127.0.0.1. */
  readonly port: number
  /** Proxies to it. */
  readonly toxiproxy: Toxiproxy
}

/** What fault suites require of every harness. */
export interface FaultSubject<Client> {
  /** Name of the backend, for the records. */
  readonly name: string
  /** Returns the running target. Called in every case. */
  readonly target: () => FaultTarget
  /** Opens a client through a port of 127.0.0.1. Clients of one scope see each other, and no others. */
  readonly open: (port: number, scope: string) => Client
}

/** Environment of one case. */
export interface FaultScene<Client> {
  readonly target: FaultTarget
  readonly scope: string
  /** The connection with faults. */
  readonly link: FaultyLink
  /** Opens another client that is closed after the case. */
  readonly open: (port: number) => Client
  /** Waits for recovery, and records how long it took. */
  readonly record: (fault: string, recovery: () => Promise<void>) => Promise<void>
  readonly dispose: () => Promise<void>
}

/** Whether `pnpm test:faults` is running, which includes the long cases. */
export const isLongRun: boolean = process.env['SD_FAULTS'] === 'long'

/** Time limit of one case, in milliseconds. */
export const FAULT_TIMEOUT_MS: number = isLongRun ? 7_200_000 : 90_000

/** Creates the environment of one case. */
export async function createFaultScene<Client extends { close(): Promise<void> }>(
  subject: FaultSubject<Client>,
): Promise<FaultScene<Client>> {
  const target = subject.target()
  const scope = `f${randomUUID().slice(0, 8)}`
  const link = await target.toxiproxy.link(target.port)
  const clients: Client[] = []
  return {
    target,
    scope,
    link,
    open(port) {
      const client = subject.open(port, scope)
      clients.push(client)
      return client
    },
    async record(fault, recovery) {
      const startedAt = performance.now()
      await recovery()
      console.info(`${subject.name}: ${fault}: recovered in ${Math.round(performance.now() - startedAt)} ms`)
    },
    async dispose() {
      await Promise.all(clients.map((client) => client.close()))
      await link.close()
    },
  }
}
