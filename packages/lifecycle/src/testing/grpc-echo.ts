import { promisify } from 'node:util'
import { Client, type ClientReadableStream, credentials, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import { type EchoServer, responseMs } from './echo-servers.ts'

const passBytes = (bytes: Buffer): Buffer => bytes
const bytes = {
  requestSerialize: passBytes,
  requestDeserialize: passBytes,
  responseSerialize: passBytes,
  responseDeserialize: passBytes,
}

const echoService: ServiceDefinition = {
  Echo: { path: '/test.Echo/Echo', requestStream: false, responseStream: false, ...bytes },
  EchoTwice: { path: '/test.Echo/EchoTwice', requestStream: false, responseStream: true, ...bytes },
}

/** A gRPC server without TLS. */
export async function startGrpcServer(): Promise<EchoServer> {
  const server = new Server()
  server.addService(echoService, {
    Echo(call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) {
      setTimeout(() => callback(null, call.request), responseMs)
    },
    EchoTwice(call: { request: Buffer; write(answer: Buffer): void; end(): void }) {
      call.write(call.request)
      setTimeout(() => {
        call.write(call.request)
        call.end()
      }, Number(call.request.toString()))
    },
  })
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', ServerCredentials.createInsecure())
  return { server, port }
}

/** A channel to one gRPC server. */
export interface GrpcEcho {
  /** Resolves with the response, which is the message. */
  echo(message: string): Promise<string>
  /** Resolves with two responses, with a delay in between. */
  echoTwice(waitMs: number): ClientReadableStream<Buffer>
  /** Closes the channel. */
  close(): void
}

/** Connects to one gRPC server on loopback. */
export function connectGrpcEcho(port: number): GrpcEcho {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  return {
    echo: (message) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest('/test.Echo/Echo', passBytes, passBytes, Buffer.from(message), (error, answer) =>
          error ? reject(error) : resolve(String(answer)),
        )
      }),
    echoTwice: (waitMs) => client.makeServerStreamRequest('/test.Echo/EchoTwice', passBytes, passBytes, Buffer.from(`${waitMs}`)),
    close: () => client.close(),
  }
}
