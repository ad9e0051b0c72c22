import * as grpc from '@grpc/grpc-js'
import { startOrdersServer } from './orders.ts'

/** A server of its own process, to be killed: answers calls with text, never those without. */
const server = await startOrdersServer(grpc, 'process', {
  unary: (call, answer) => {
    if (call.request.text !== '') answer('process')
  },
})
process.stdout.write(`${server.port}\n`)
