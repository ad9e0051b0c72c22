import * as grpc from '@grpc/grpc-js'
import { startOrdersServer } from './orders.ts'

/** A server in a separate process, which tests kill. It responds to calls with a text, and never to those without. */
const server = await startOrdersServer(grpc, 'process', {
  unary: (call, reply) => {
    if (call.request.text !== '') reply('process')
  },
})
process.stdout.write(`${server.port}\n`)
