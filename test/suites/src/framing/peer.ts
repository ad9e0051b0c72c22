import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FramingAddress, FramingProtocol } from '@sd/testing'

/** A proxy that runs. */
export interface Running {
  readonly address: FramingAddress
  /** Whether its process has ended by itself. */
  hasCrashed?(): boolean
  close(): Promise<void>
}

/** A proxy of others, for the table. */
export interface Peer {
  readonly name: string
  readonly front: FramingProtocol
  readonly upstream: FramingProtocol
  /** Starts it in front of an upstream. Returns a reason if it cannot run here. */
  start(upstream: FramingAddress): Promise<Running | string>
}

/** Listens on a free port of 127.0.0.1. */
export async function listening(
  server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown; close(done: () => void): unknown },
  after: () => Promise<void> = async () => undefined,
): Promise<Running> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(resolve))
      ;(server as { closeAllConnections?(): void }).closeAllConnections?.()
      await after()
      await closed
    },
  }
}

/** Whether a process has ended. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Ends a process. */
export async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
