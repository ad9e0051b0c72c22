import { freePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch } from './test-server.ts'

/** A connection through a {@link Toxiproxy} whose faults are controlled by a test. */
export interface FaultyLink {
  /** Port on 127.0.0.1 to connect to instead of the server's. */
  readonly port: number
  /** Closes every connection and refuses new ones. */
  cut(): Promise<void>
  /** Keeps connections open and accepts new ones, but forwards nothing. */
  blackHole(): Promise<void>
  /** Resets every connection after this number of bytes from the server, including new ones. */
  reset(afterBytes: number): Promise<void>
  /** Delays every packet, in both directions. */
  delay(latencyMs: number): Promise<void>
  /** Splits the stream from the server into pieces of about this number of bytes. */
  slice(averageBytes: number): Promise<void>
  /** Ends all faults. */
  restore(): Promise<void>
  /** Removes this connection. */
  close(): Promise<void>
}

/** A proxy between a client and its server. */
export interface Toxiproxy extends AsyncDisposable {
  /** Opens another connection to a port of 127.0.0.1. */
  link(upstreamPort: number): Promise<FaultyLink>
  /** Stops it, and closes every connection through it. */
  close(): Promise<void>
}

/** Starts Toxiproxy. */
export async function startToxiproxy(source: ServerSource): Promise<Toxiproxy> {
  if (source.kind === 'address') throw new Error('the test must own this Toxiproxy')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`

  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${url}${path}`, { method, ...(body && { body: JSON.stringify(body) }) })
    const text = await response.text()
    if (!response.ok && response.status !== 404) throw new Error(`toxiproxy: ${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  const server = await launch({
    name: 'toxiproxy',
    source,
    args: () => ['-host', '127.0.0.1', '-port', String(port)],
    probe: () => call('GET', '/version'),
  })
  let count = 0

  return {
    async link(upstreamPort) {
      const name = `link-${++count}`
      const listen = await freePort()
      await call('POST', '/proxies', {
        name,
        listen: `127.0.0.1:${listen}`,
        upstream: `127.0.0.1:${upstreamPort}`,
        enabled: true,
      })
      const toxics = new Set<string>()
      async function add(type: string, attributes: object, streams: readonly string[]): Promise<void> {
        for (const stream of streams) {
          const toxic = `${type}-${stream}`
          await call('POST', `/proxies/${name}/toxics`, { name: toxic, type, stream, attributes })
          toxics.add(toxic)
        }
      }
      const both = ['upstream', 'downstream']
      return {
        port: listen,
        cut: async () => void (await call('POST', `/proxies/${name}`, { enabled: false })),
        blackHole: () => add('timeout', { timeout: 0 }, both),
        reset: (bytes) => add('limit_data', { bytes }, ['downstream']),
        delay: (latency) => add('latency', { latency }, both),
        slice: (average_size) => add('slicer', { average_size, size_variation: average_size >> 1, delay: 10 }, ['downstream']),
        async restore() {
          for (const toxic of toxics) await call('DELETE', `/proxies/${name}/toxics/${toxic}`)
          toxics.clear()
          await call('POST', `/proxies/${name}`, { enabled: true })
        },
        close: async () => void (await call('DELETE', `/proxies/${name}`)),
      }
    },
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  }
}
