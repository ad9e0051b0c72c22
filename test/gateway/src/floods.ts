import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { clientPreface, encodeFields, frameTypes, writeFrame } from '@sd/testing'
import { Edge } from './edge.ts'
import type { Suite } from './suite.ts'

/** How long each flood lasts: a minute with `SD_FAULTS=long`. */
const floodMs = process.env['SD_FAULTS'] === 'long' ? 60_000 : 4_000
const calmMs = 2_000
const maxGrowth = 64 * 1_048_576
const maxSlowdown = 5

const request = encodeFields([
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'shop.example'],
  [':path', '/'],
])

const post = encodeFields([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'shop.example'],
  [':path', '/'],
])

/** What a client sends first: preface and SETTINGS. */
const clientStart = Buffer.concat([clientPreface, writeFrame(frameTypes.settings, 0, 0)])
const cancel = Buffer.of(0, 0, 0, 8)

/** What attackers send: each packet in turn, on connections that are opened again when they end. */
interface Flood {
  readonly name: string
  readonly connections: number
  /** Between two packets of a connection, in milliseconds. */
  readonly everyMs: number
  readonly start: Uint8Array
  /** @param index of the packet on its connection */
  packet(index: number): Uint8Array
}

function repeat(count: number, frame: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => frame(index)))
}

function resets(count: number, index: number): Buffer {
  return repeat(count, (at) => {
    const id = 2 * (count * index + at) + 1
    return Buffer.concat([writeFrame(frameTypes.headers, 5, id, request), writeFrame(frameTypes.resetStream, 0, id, cancel)])
  })
}

const pings = repeat(100, () => writeFrame(frameTypes.ping, 0, 0, Buffer.alloc(8)))
const settings = repeat(100, () => writeFrame(frameTypes.settings, 0, 0))
const continuations = repeat(20, () => writeFrame(frameTypes.continuation, 0, 1, request))
const nothing = Buffer.alloc(0)

const attacks: readonly Flood[] = [
  // 250 in ten seconds are allowed; with 50,000 a connection ends at once, and the next one waits.
  { name: 'rapid reset', connections: 20, everyMs: 400, start: clientStart, packet: (index) => resets(10, index) },
  { name: 'rapid reset above its limit', connections: 4, everyMs: 10, start: clientStart, packet: (index) => resets(50, index) },
  {
    name: 'CONTINUATION',
    connections: 4,
    everyMs: 10,
    start: Buffer.concat([clientStart, writeFrame(1, 0, 1, request)]),
    packet: () => continuations,
  },
  { name: 'PING', connections: 4, everyMs: 10, start: clientStart, packet: () => pings },
  { name: 'SETTINGS', connections: 4, everyMs: 10, start: clientStart, packet: () => settings },
  {
    name: 'slow loris',
    connections: 1_000,
    everyMs: 1_000,
    start: Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n'),
    packet: () => Buffer.from('x: y\r\n'),
  },
  {
    name: 'slow bodies',
    // Fewer than the 128 connections to an instance: what holds all of them delays other clients, see the guide.
    connections: 100,
    everyMs: 1_000,
    start: Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n'),
    packet: () => Buffer.from('x'),
  },
  {
    name: 'slow bodies over HTTP/2',
    connections: 2,
    everyMs: 1_000,
    start: Buffer.concat([clientStart, repeat(50, (index) => writeFrame(frameTypes.headers, 4, 2 * index + 1, post))]),
    packet: () => repeat(50, (index) => writeFrame(frameTypes.data, 0, 2 * index + 1, Buffer.of(120))),
  },
  { name: 'half a preface', connections: 1_000, everyMs: 1_000, start: clientStart.subarray(0, 12), packet: () => nothing },
]

/** Floods, beside a client that goes on. The memory is a limit; the latency beside it is reported, and a limit in long runs. */
export const floods: Suite = {
  name: 'floods',
  needs: [],
  async run() {
    const problems: string[] = []
    const part = process.env['SD_FLOOD'] ?? ''
    for (const attack of attacks.filter(({ name }) => name.includes(part))) {
      const edge = await Edge.start()
      await measure(edge.port, calmMs)
      const calm = await measure(edge.port, calmMs)
      const { rss } = await edge.report()
      const attackers = startFlood(edge.port, attack)
      const flooded = await measure(edge.port, floodMs)
      attackers.stop()
      const { peakRss } = await edge.report()
      await edge.stop()
      const growth = peakRss - rss
      const slowdown = flooded.p99Ms / calm.p99Ms
      console.log(
        `  ${attack.name}: ${attackers.connections} connections, +${(growth / 1_048_576).toFixed(0)} MB, P99 ${calm.p99Ms.toFixed(1)} -> ${flooded.p99Ms.toFixed(1)} ms (${slowdown.toFixed(1)} times), ${flooded.failed} of ${flooded.requests} failed`,
      )
      if (growth > maxGrowth) problems.push(`${attack.name}: memory grew by ${growth} bytes`)
      if (flooded.failed > 0) problems.push(`${attack.name}: ${flooded.failed} requests of others failed`)
      if (slowdown > maxSlowdown && floodMs > 10_000)
        problems.push(`${attack.name}: P99 of others is ${slowdown.toFixed(1)} times as long`)
    }
    return problems
  },
}

/** A client of HTTP/2 with 200 requests per second. */
async function measure(port: number, durationMs: number): Promise<{ p99Ms: number; requests: number; failed: number }> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const times: number[] = []
  const open: Promise<void>[] = []
  let failed = 0
  const until = performance.now() + durationMs
  while (performance.now() < until) {
    const startedAt = performance.now()
    open.push(
      new Promise((resolve) => {
        const stream = session.request({ ':path': '/' })
        stream.resume()
        stream.on('end', () => times.push(performance.now() - startedAt))
        stream.on('error', () => failed++)
        stream.on('close', resolve)
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(open)
  session.close()
  times.sort((a, b) => a - b)
  return { p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY, requests: open.length, failed }
}

function startFlood(port: number, { connections, everyMs, start, packet }: Flood): { connections: number; stop(): void } {
  const sockets = new Set<Socket>()
  let isStopped = false
  const attackers = {
    connections: 0,
    stop() {
      isStopped = true
      for (const socket of sockets) socket.destroy()
    },
  }
  function open(): void {
    if (isStopped) return
    attackers.connections++
    const socket = connect(port, '127.0.0.1').setNoDelay()
    sockets.add(socket)
    let index = 0
    const timer = setInterval(() => {
      if (socket.writable && socket.writableLength < 1_048_576) socket.write(packet(index++))
    }, everyMs)
    socket.on('error', () => {})
    socket.resume()
    socket.on('close', () => {
      clearInterval(timer)
      sockets.delete(socket)
      // Not faster than the packets.
      setTimeout(open, everyMs)
    })
    socket.write(start)
  }
  for (let count = 0; count < connections; count++) open()
  return attackers
}
