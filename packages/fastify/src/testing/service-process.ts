import { PassThrough } from 'node:stream'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { sdFastify } from '../index.ts'

// A service in its own process, for tests that send it signals: it echoes over HTTP and WebSockets, and sends an event
// stream that the application ends before it closes. It prints what happens, one line each.

const { REGISTRY: registry = 'memory:', SCENE: scene = 'serve', PROPAGATION_MS: propagationMs = '300' } = process.env

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const app = Fastify({ logger: false })
// Before the service, so that its hooks would run first if order decided.
await app.register(websocket)
await app.register(sdFastify, {
  service: 'orders',
  registry,
  instance: { address: '127.0.0.1' },
  lifecycle: { propagationDelayMs: Number(propagationMs) },
  failOnRefusal: scene === 'refused',
  onClose: [() => say('service ended')],
  onError: ({ code }) => say(`error ${code}`),
})

const streams = new Set<PassThrough>()
app.addHook('preClose', async () => {
  say(`preClose ${app.sd.state}`)
  for (const stream of streams) stream.end('data: bye\n\n')
})
app.addHook('onClose', async () => say(`onClose, client ${app.sd.client.explain('orders') ? 'open' : 'closed'}`))
app.get('/events', (_, reply) => {
  const stream = new PassThrough()
  streams.add(stream.on('close', () => void streams.delete(stream)))
  stream.write('data: hello\n\n')
  return reply.type('text/event-stream').send(stream)
})
app.get('/socket', { websocket: true }, (socket) => {
  socket.on('message', (message) => socket.send(String(message)))
})
app.post('/', async ({ body }) => body)
app.get('/', async () => '')

process.once('SIGTERM', () => say(`SIGTERM ${app.sd.state}`))
if (scene === 'own handler') process.once('SIGTERM', () => void app.close().then(() => say('app.close() resolved')))
const listening = app.listen({ port: 0, host: '127.0.0.1' })
listening.then(
  () => {
    const address = app.server.address()
    say(`port ${typeof address === 'object' ? address?.port : ''}`)
  },
  (error: Error) => say(error.message),
)
process.on('exit', (code) => say(`exit ${code}`))
