import { readFileSync } from 'node:fs'
import { createFileRegistry, type DescMethod, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import * as grpc from '@grpc/grpc-js'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'
import { createGrpcJson, type GrpcJsonOptions } from '../grpc-json.ts'

/** `shop.proto` and its imports: `protoc -I . -I <googleapis> --include_imports --descriptor_set_out=shop.binpb shop.proto`. */
export const descriptors: Uint8Array = readFileSync(new URL('shop.binpb', import.meta.url))

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors))
const methods = registry.getService('shop.Shop')?.methods as readonly DescMethod[]

/** A call as the service received it. */
export interface Received {
  readonly method: string
  readonly json: JsonValue
  readonly metadata: grpc.Metadata
}

/** What the service does with a call. */
export type Handle = (
  received: Received,
  call: grpc.ServerUnaryCall<Buffer, Buffer> | grpc.ServerWritableStream<Buffer, Buffer>,
) => JsonValue | Partial<grpc.StatusObject> | undefined

function isStatus(result: object): result is Partial<grpc.StatusObject> {
  return 'code' in result
}

/** Starts a server of grpc-js and a gateway before it. @returns the base URL of the gateway, and what the service received */
export async function startShop(
  handle: Handle,
  options: Partial<GrpcJsonOptions> = {},
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  const server = new grpc.Server()
  const coding = { requestDeserialize: same, requestSerialize: same, responseDeserialize: same, responseSerialize: same }
  const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {}
  const handlers: grpc.UntypedServiceImplementation = {}
  for (const method of methods) {
    const responseStream = method.methodKind === 'server_streaming'
    definition[method.name] = { path: `/shop.Shop/${method.name}`, requestStream: false, responseStream, ...coding }
    const encode = (json: JsonValue): Buffer => Buffer.from(toBinary(method.output, fromJson(method.output, json, { registry })))
    handlers[method.name] = (call: grpc.ServerUnaryCall<Buffer, Buffer>, done?: grpc.sendUnaryData<Buffer>) => {
      const json = toJson(method.input, fromBinary(method.input, call.request), { registry })
      const one = { method: method.name, json, metadata: call.metadata }
      received.push(one)
      const result = handle(one, call)
      if (!done) {
        const stream = call as unknown as grpc.ServerWritableStream<Buffer, Buffer>
        for (const message of (result as { messages: JsonValue[] }).messages) stream.write(encode(message))
        const { status } = result as { status?: Partial<grpc.StatusObject> }
        if (status) stream.emit('error', status)
        else stream.end()
      } else if (typeof result === 'object' && result !== null && isStatus(result)) done(result)
      else if (result !== undefined) done(null, encode(result))
    }
  }
  server.addService(definition, handlers)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const source = createStaticRegistry({ instances: [{ service: 'shop', address: '127.0.0.1', port, protocol: 'h2c' }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
  const gateway = await createGateway({
    client,
    protocols: [createGrpcJson({ descriptors, ...options })],
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: [{ name: 'shop', match: { protocol: 'grpc-json' }, forward: { service: 'shop' } }],
    },
  })
  onTestFinished(async () => {
    await gateway.close()
    await client.close()
    await discovery.close()
    await source.close()
    server.forceShutdown()
  })
  return { url: `http://127.0.0.1:${gateway.addresses[0]?.port}`, received }
}

function same(bytes: Buffer): Buffer {
  return bytes
}
