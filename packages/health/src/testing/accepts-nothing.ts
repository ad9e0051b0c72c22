// A server with a queue of one connection. Its parent stops the process, so that it accepts none.
import { type AddressInfo, createServer } from 'node:net'

const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  process.stdout.write(String((server.address() as AddressInfo).port))
})
