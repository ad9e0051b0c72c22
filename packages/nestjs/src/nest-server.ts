import { connect } from 'node:net'
import type { HttpAdapterHost, ModulesContainer } from '@nestjs/core'
import { settlesWithin, sleep } from '@sd/core'
import type { DrainableServer, LifecycleServer } from '@sd/lifecycle'

/** A server of `node:http` or `node:http2`, or a server of a microservice that is one of `node:net`. */
interface NetServer {
  readonly listening: boolean
  address(): unknown
  once(event: 'listening', listener: () => void): unknown
  off(event: 'listening', listener: () => void): unknown
}

/** How an application serves. */
export interface NestServer {
  readonly server: LifecycleServer
  /** Calls back once it listens. @returns a function that ends the wait */
  onListening(start: () => void): () => void
}

/** The part of the adapters' applications that is used here. */
interface HttpAdapter {
  getType(): string
  getHttpServer(): NetServer | undefined
  getInstance(): unknown
}

/** The server of an application: its HTTP server; otherwise its TCP microservice; otherwise whatever listens on the
 * port that it registers.
 *
 * @returns `undefined` if it serves nothing, such as a worker
 */
export function findServer(
  host: HttpAdapterHost,
  modules: ModulesContainer,
  { address = '127.0.0.1', port }: { readonly address?: string; readonly port?: number },
): NestServer | undefined {
  const adapter = host.httpAdapter as unknown as HttpAdapter | undefined
  const http = adapter?.getHttpServer()
  if (adapter && isNetServer(http)) {
    // Fastify drains itself, so that its preClose hooks can end streams.
    const server = (adapter.getType() === 'fastify' ? adapter.getInstance() : http) as LifecycleServer
    return { server, onListening: (start) => whenListening(http, start) }
  }
  const tcp = findMicroservice(modules)
  if (tcp) return { server: createUndrained(() => portOf(tcp)), onListening: (start) => whenListening(tcp, start) }
  if (port === undefined) return undefined
  return { server: createUndrained(() => port), onListening: (start) => whenReachable(address, port, start) }
}

function isNetServer(server: unknown): server is NetServer {
  return typeof server === 'object' && server !== null && 'listening' in server && 'address' in server
}

function whenListening(server: NetServer, start: () => void): () => void {
  if (server.listening) start()
  else server.once('listening', start)
  return () => void server.off('listening', start)
}

function portOf(server: NetServer): number | undefined {
  const address = server.address()
  return typeof address === 'object' ? (address as { readonly port: number } | null)?.port : undefined
}

/** The server of a TCP microservice. Other transports do not show theirs. */
function findMicroservice(modules: ModulesContainer): NetServer | undefined {
  let found: NetServer | undefined
  modules
    .getRpcTargetRegistry()
    .subscribe((target) => {
      try {
        const server = (target as { unwrap(): unknown }).unwrap()
        if (isNetServer(server)) found ??= server
      } catch {
        // Of gRPC, and of brokers that are not connected yet.
      }
    })
    .unsubscribe()
  return found
}

/** A server that Nest itself closes, after the instance has left the registry and the delay is over. */
function createUndrained(port: () => number | undefined): DrainableServer {
  return { whenListening: async () => port(), finishDrain: async () => undefined, destroy: () => undefined }
}

/** How often a port is tried, in milliseconds. */
const probeIntervalMs = 100

/** Waits until something listens on a port. */
function whenReachable(host: string, port: number, start: () => void): () => void {
  const ending = new AbortController()
  async function wait(): Promise<void> {
    while (!ending.signal.aborted) {
      if (await accepts(host, port)) {
        if (!ending.signal.aborted) start()
        return
      }
      await sleep(probeIntervalMs, ending.signal).catch(() => undefined)
    }
  }
  void wait()
  return () => ending.abort()
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  const opened = new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  const isOpen = (await settlesWithin(opened, 1_000)) && (await opened)
  socket.destroy()
  return isOpen
}
