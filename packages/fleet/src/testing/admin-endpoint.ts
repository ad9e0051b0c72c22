import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { ClusterAnswer } from '@sd/core'
import { onTestFinished } from 'vitest'
import { createSnapshotOf, type SnapshotParts } from './snapshots.ts'

/** Answers a request; returns `false` to leave it to the endpoint. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean | undefined

/** An admin endpoint whose answers a test decides. It follows the protocol of `@sd/admin`. */
export interface AdminEndpoint {
  readonly port: number
  /** What it answers to a poll. */
  parts: SnapshotParts
  /** What it answers about endpoints. */
  clusters: readonly ClusterAnswer[]
  /** Comes before the protocol. */
  answer: Answer | undefined
  /** Requests that were received: method and path. */
  readonly requests: string[]
  /** `authorization` of the last request. */
  authorization: string | undefined
  /** Number of open connections. */
  readonly connections: () => Promise<number>
  /** Stops listening, and closes all connections. */
  stop(): Promise<void>
}

/** Starts an endpoint on loopback; it ends with the test. */
export async function startEndpoint(parts: SnapshotParts = {}, port: number = 0): Promise<AdminEndpoint> {
  const server = createServer((request, response) => {
    endpoint.requests.push(`${request.method} ${request.url}`)
    endpoint.authorization = request.headers.authorization
    if (endpoint.answer?.(request, response)) return
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://host')
    if (request.method === 'POST') sendJson(response, { action: 'changed', target: pathname })
    else if (pathname === '/sd/v1/snapshot')
      sendJson(response, createSnapshotOf(endpoint.parts), request.headers['accept-encoding'])
    else if (pathname === '/sd/v1/endpoints') {
      const service = searchParams.get('service')
      sendJson(response, { answers: endpoint.clusters.filter((cluster) => service === null || cluster.service === service) })
    } else if (pathname === '/sd/v1/calls') sendJson(response, { answers: [] })
    else {
      response.statusCode = 404
      sendJson(response, { error: { code: 'SD_NOT_FOUND', message: `No ${pathname}`, retryable: false } })
    }
  })
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  onTestFinished(stop)
  const endpoint: AdminEndpoint = {
    port: (server.address() as AddressInfo).port,
    parts,
    clusters: [],
    answer: undefined,
    requests: [],
    authorization: undefined,
    connections: () =>
      new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    stop,
  }
  return endpoint
}

function sendJson(response: ServerResponse, body: unknown, encodings: string | string[] = ''): void {
  const text = JSON.stringify(body)
  response.setHeader('content-type', 'application/json')
  if (!encodings.includes('gzip')) {
    response.end(text)
    return
  }
  response.setHeader('content-encoding', 'gzip')
  response.end(gzipSync(text))
}
