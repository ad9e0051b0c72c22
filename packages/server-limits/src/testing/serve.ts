import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createServerLimits, type LimitedRequest, type ServerLimits, type ServerLimitsOptions } from '../index.ts'

/** A response with its whole body. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** Starts a server on a free port, until the test ends. @returns its port */
export async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A server of `node:http` with limits. */
export interface LimitedServer {
  readonly limits: ServerLimits
  readonly server: Server
  readonly port: number
}

/** Starts a server with limits, until the test ends. */
export async function serveLimited(
  options: ServerLimitsOptions,
  application: (request: LimitedRequest, response: ServerResponse) => unknown,
): Promise<LimitedServer> {
  const limits = createServerLimits(options)
  onTestFinished(() => limits.close())
  const server = createServer(limits.handler(application))
  server.on('checkContinue', limits.checkContinue(application))
  return { limits, server, port: await listen(server) }
}

/** Options of a request. */
export interface SendOptions {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}

/** Sends a request on its own connection. */
export async function ask(port: number, { path = '/', method, headers = {}, body }: SendOptions = {}): Promise<Answer> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path,
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    agent: false,
  })
  outgoing.end(body)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks = await response.toArray()
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }
}

/** Polls until a condition holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
