import { create, createFileRegistry, type DescService, type Message } from '@bufbuild/protobuf'
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { type CallOptions, createClient, type Transport } from '@connectrpc/connect'

/** The message of the methods. */
export interface Text extends Message {
  readonly text: string
}

/** A client of grpc-web for the service of a stage. */
export interface WebClient {
  unary(request: { text: string }, options?: CallOptions): Promise<Text>
  list(request: { text: string }, options?: CallOptions): AsyncIterable<Text>
}

const message = '.shop.Text'

const file = create(FileDescriptorProtoSchema, {
  name: 'shop.proto',
  package: 'shop',
  syntax: 'proto3',
  messageType: [
    {
      name: 'Text',
      field: [
        {
          name: 'text',
          number: 1,
          jsonName: 'text',
          type: FieldDescriptorProto_Type.STRING,
          label: FieldDescriptorProto_Label.OPTIONAL,
        },
      ],
    },
  ],
  service: [
    {
      name: 'Carts',
      method: [
        { name: 'Unary', inputType: message, outputType: message },
        { name: 'List', inputType: message, outputType: message, serverStreaming: true },
      ],
    },
  ],
})

/** Opens the client. */
export function openWebClient(transport: Transport): WebClient {
  const service = createFileRegistry(file, () => undefined).getService('shop.Carts') as DescService
  return createClient(service, transport) as unknown as WebClient
}
