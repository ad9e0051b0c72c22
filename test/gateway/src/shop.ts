import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'

/** A service on loopback. */
export interface Service {
  readonly port: number
  /** Ends it at once, with its connections. */
  kill(): void
}

/** Starts a service that responds with its name. */
export async function startService(name: string): Promise<Service> {
  const server = createServer((_, response) => response.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    kill() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Sends GET requests, each once. */
export interface Caller {
  /** @returns the body. @throws Error for another status than 200 */
  get(path: string): Promise<string>
  close(): void
}

/** Calls by HTTP/1.1 over kept connections. */
export function callByHttp1(port: number): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  return {
    get: (path) =>
      new Promise((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path, agent }, (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (chunk: string) => {
            body += chunk
          })
          response.on('error', reject)
          response.on('end', () => {
            if (response.statusCode === 200) resolve(body)
            else reject(new Error(`${response.statusCode}: ${body}`))
          })
        })
        sent.on('error', reject).end()
      }),
    close: () => agent.destroy(),
  }
}

/** Calls by HTTP/2 over one connection. */
export function callByHttp2(port: number): Caller {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  return {
    get: (path) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path })
        let status: number | undefined
        let body = ''
        stream.on('response', (headers) => {
          status = headers[':status']
        })
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk
        })
        stream.on('error', reject)
        stream.on('end', () => {
          if (status === 200) resolve(body)
          else reject(new Error(`${status}: ${body}`))
        })
      }),
    close: () => session.destroy(),
  }
}
