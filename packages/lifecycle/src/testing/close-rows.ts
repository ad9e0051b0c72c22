import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { connectGrpcEcho } from './grpc-echo.ts'

const program = fileURLToPath(new URL('./close-server.ts', import.meta.url))

/** Opens a connection. `ended` resolves with its fate. */
type Open = (port: number) => Promise<{ readonly ended: Promise<string> }>

async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Writes to a connection, and waits for a response if one is expected. */
const raw =
  (text: string, hasResponse: boolean): Open =>
  async (port) => {
    const socket = await openSocket(port)
    if (text) socket.write(text)
    if (hasResponse) await once(socket, 'data')
    return { ended: once(socket.resume(), 'close').then(() => 'ended') }
  }

const openStream: Open = async (port) => {
  const response = await fetch(`http://127.0.0.1:${port}/stream`)
  const ended = response.text().then(
    (text) => (text.endsWith('bye\n\n') ? 'complete' : 'cut'),
    () => 'cut',
  )
  return { ended }
}

const openWebSocket: Open = async (port) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  socket.on('error', () => undefined)
  await once(socket, 'open')
  return { ended: once(socket, 'close').then(([code]) => (code === 1_001 ? 'received 1001' : `cut (${code})`)) }
}

/** A connection that is open at SIGTERM: its name, the kind of server, a function that opens it, and whether `beforeDrain` ends it. */
type Row = readonly [what: string, kind: string, open: Open, hook?: boolean]

/** The rows of the table, one process each. */
export const closeRows: readonly Row[] = [
  ['a connection without a request', 'http', raw('', false)],
  ['an idle keep-alive connection', 'http', raw('GET / HTTP/1.1\r\nhost: x\r\n\r\n', true)],
  ['half of a request head', 'http', raw('GET / HTTP/1.1\r\nhost:', false)],
  ['half of a request body', 'http', raw('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf', false)],
  ['a WebSocket', 'http', openWebSocket],
  ['an event stream', 'http', openStream],
  ['an event stream, ended in `beforeDrain`', 'http', openStream, true],
  [
    'an HTTP/2 stream',
    'http2',
    async (port) => {
      const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => undefined)
      const stream = session.request({ ':path': '/stream' }).on('error', () => undefined)
      await once(stream, 'data')
      return { ended: once(stream.resume(), 'close').then(() => 'cut') }
    },
  ],
  [
    'a gRPC stream',
    'grpc',
    async (port) => {
      const stream = connectGrpcEcho(port).echoTwice(60_000)
      const failed = once(stream, 'error')
      await once(stream, 'data')
      return { ended: failed.then(() => 'cut') }
    },
  ],
  ['`Bun.serve`: an idle connection', 'Bun.serve', raw('GET / HTTP/1.1\r\nhost: x\r\n\r\n', true)],
  ['`Bun.serve`: a WebSocket', 'Bun.serve', openWebSocket],
  ['`Bun.serve`: an event stream', 'Bun.serve', openStream],
]

/** The end of a process with one open connection. */
export interface CloseResult {
  /** Time from SIGTERM to the end, in seconds. */
  readonly tookS: number
  /** Fate of the connection, and in parentheses the work that was cut, as in the report. */
  readonly fate: string
  /** Exit code. */
  readonly code: string
}

/** Runs a process with one open connection and ends it. @param binary the runtime */
export async function measureClose(binary: string, [, kind, open, hook = false]: Row): Promise<CloseResult> {
  const env = { ...process.env, KIND: kind, HOOK: hook ? '1' : '0' }
  const child = spawn(binary, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const exited = once(child, 'exit')
  await Promise.race([once(reader, 'line'), exited])
  const { ended } = await open(Number(lines[0]?.slice(5)))
  await delay(200)
  const startedAt = performance.now()
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const [code] = await exited
  clearTimeout(killer)
  const tookS = (performance.now() - startedAt) / 1_000
  const cut = lines.find((line) => line.startsWith('error '))?.replace(/^.*: /, '')
  const fate = `${await Promise.race([ended, delay(1_000, 'still open')])}${cut ? ` (${cut})` : ''}`
  return { tookS, fate, code: String(code ?? 'killed') }
}
