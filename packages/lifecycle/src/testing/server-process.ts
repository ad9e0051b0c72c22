import { createServer } from 'node:http'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createLifecycle } from '../index.ts'

// A server as a process of its own, for tests that send it signals. Its requests take as long as their path says, in milliseconds.
const registry = createMemoryRegistry()
const server = createServer((request, response) => setTimeout(() => response.end('done'), Number(request.url?.slice(1))))
const lifecycle = createLifecycle({
  registrar: registry,
  server,
  instance: { service: 'orders', address: '127.0.0.1' },
  propagationDelayMs: 50,
  drainTimeoutMs: Number(process.env['DRAIN_TIMEOUT_MS'] ?? 2_000),
  onShutdown: [() => process.stdout.write('hook\n'), () => registry.close()],
})
server.listen(0, '127.0.0.1')
await lifecycle.start()
const address = server.address()
process.stdout.write(`port ${typeof address === 'object' ? address?.port : ''}\n`)
