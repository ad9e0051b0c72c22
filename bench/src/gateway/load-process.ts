import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { quantile } from '../paired.ts'

// Load in a process of its own, so that it can have a core of its own. Each message is a task, each answer its result.

/** What the load does. */
export type LoadTask =
  | { readonly kind: 'closed'; readonly protocol: 'h1' | 'h2'; readonly port: number; readonly requests: number }
  | { readonly kind: 'open'; readonly port: number; readonly rate: number; readonly durationMs: number }

/** What it measured: requests per second, or latencies in microseconds. */
export interface LoadResult {
  readonly rate: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

const connections = 50
const request = 'GET /orders/1 HTTP/1.1\r\nhost: shop\r\nuser-agent: load\r\naccept: */*\r\nx-tenant: 7\r\n\r\n'

/** A connection that sends one request at a time. */
class Connection {
  readonly #socket: Socket
  #onDone: (error?: Error) => void = () => {}
  #missing = 0

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('error', (error) => this.#onDone(error))
    this.#socket.on('close', () => this.#onDone(new Error('the connection closed: the run is invalid')))
  }

  send(onDone: (error?: Error) => void): void {
    this.#onDone = onDone
    this.#socket.write(request, 'latin1')
  }

  close(): void {
    this.#onDone = () => {}
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#missing === 0) {
      const head = chunk.indexOf('\r\n\r\n')
      const length = /\r\ncontent-length: (\d+)/i.exec(chunk.toString('latin1', 0, head))?.[1]
      if (head < 0 || length === undefined || !chunk.toString('latin1', 0, 12).endsWith(' 200')) {
        this.#onDone(new Error(`the run is invalid: ${chunk.toString('latin1', 0, 200)}`))
        return
      }
      this.#missing = head + 4 + Number(length)
    }
    this.#missing -= chunk.length
    if (this.#missing === 0) this.#onDone()
  }
}

/** Each connection sends the next request when it has the response to the one before. */
async function runClosed(port: number, requests: number): Promise<LoadResult> {
  const all = Array.from({ length: connections }, () => new Connection(port))
  const startedAt = performance.now()
  let begun = 0
  await Promise.all(
    all.map(
      (connection) =>
        new Promise<void>((resolve, reject) => {
          const next = (error?: Error): void => {
            if (error) reject(error)
            else if (begun++ >= requests) resolve()
            else connection.send(next)
          }
          next()
        }),
    ),
  )
  const rate = (requests * 1000) / (performance.now() - startedAt)
  for (const connection of all) connection.close()
  return { rate, p50: 0, p95: 0, p99: 0 }
}

/** Five sessions with ten streams each. */
async function runHttp2(port: number, requests: number): Promise<LoadResult> {
  const sessions = Array.from({ length: 5 }, () => connectHttp2(`http://127.0.0.1:${port}`))
  const startedAt = performance.now()
  let begun = 0
  async function worker(index: number): Promise<void> {
    while (begun++ < requests) {
      const stream = (sessions[index % sessions.length] as (typeof sessions)[0]).request({
        ':path': '/orders/1',
        ':authority': 'shop',
        'user-agent': 'load',
        accept: '*/*',
        'x-tenant': '7',
      })
      await new Promise<void>((resolve, reject) => {
        stream.on('response', (head) => {
          if (head[':status'] !== 200) reject(new Error(`the run is invalid: ${head[':status']}`))
        })
        stream.on('error', reject)
        stream.on('end', resolve)
        stream.resume()
      })
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, index) => worker(index)))
  const rate = (requests * 1000) / (performance.now() - startedAt)
  for (const session of sessions) session.close()
  return { rate, p50: 0, p95: 0, p99: 0 }
}

/** Requests arrive at random times (Poisson), whether earlier ones are answered or not. Waiting for a connection counts. */
async function runOpen(port: number, rate: number, durationMs: number): Promise<LoadResult> {
  const idle = Array.from({ length: 64 }, () => new Connection(port))
  const waiting: number[] = []
  const latencies: number[] = []
  const startedAt = performance.now()
  let dueAt = startedAt
  let open = 0
  let failed: Error | undefined

  function begin(connection: Connection, arrivedAt: number): void {
    open++
    connection.send((error) => {
      open--
      failed ??= error
      latencies.push((performance.now() - arrivedAt) * 1000)
      const next = waiting.shift()
      if (next === undefined) idle.push(connection)
      else begin(connection, next)
    })
  }
  for (let now = startedAt; now < startedAt + durationMs || open > 0; now = performance.now()) {
    for (; dueAt <= now && dueAt < startedAt + durationMs; dueAt += (-Math.log(1 - Math.random()) * 1000) / rate) {
      const connection = idle.pop()
      if (connection) begin(connection, dueAt)
      else waiting.push(dueAt)
    }
    if (failed) throw failed
    // A timer would be late by up to a millisecond.
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const connection of idle) connection.close()
  const [p50 = 0, p95 = 0, p99 = 0] = [0.5, 0.95, 0.99].map((p) => quantile(latencies, p))
  return { rate: (latencies.length * 1000) / durationMs, p50, p95, p99 }
}

function run(task: LoadTask): Promise<LoadResult> {
  if (task.kind === 'open') return runOpen(task.port, task.rate, task.durationMs)
  return task.protocol === 'h2' ? runHttp2(task.port, task.requests) : runClosed(task.port, task.requests)
}

process.on('message', async (task: LoadTask) => {
  try {
    process.send?.({ result: await run(task) })
  } catch (error) {
    process.send?.({ failure: String(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
