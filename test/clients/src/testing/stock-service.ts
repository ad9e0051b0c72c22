import { create, createFileRegistry, type DescService } from '@bufbuild/protobuf'
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  MethodDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
  ServiceDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'

const number = create(FieldDescriptorProtoSchema, {
  name: 'number',
  jsonName: 'number',
  number: 1,
  label: FieldDescriptorProto_Label.OPTIONAL,
  type: FieldDescriptorProto_Type.INT32,
})

/**
 * `service Stock { rpc Find(Value) returns (Value) { no side effects }; rpc Reserve(Value) returns (Value);
 * rpc Count(Value) returns (stream Value) }`, which protoc-gen-es would generate.
 */
const file = create(FileDescriptorProtoSchema, {
  name: 'stock.proto',
  package: 'shop',
  syntax: 'proto3',
  messageType: [create(DescriptorProtoSchema, { name: 'Value', field: [number] })],
  service: [
    create(ServiceDescriptorProtoSchema, {
      name: 'Stock',
      method: [
        create(MethodDescriptorProtoSchema, {
          name: 'Find',
          inputType: '.shop.Value',
          outputType: '.shop.Value',
          options: create(MethodOptionsSchema, { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS }),
        }),
        create(MethodDescriptorProtoSchema, { name: 'Reserve', inputType: '.shop.Value', outputType: '.shop.Value' }),
        create(MethodDescriptorProtoSchema, {
          name: 'Count',
          inputType: '.shop.Value',
          outputType: '.shop.Value',
          serverStreaming: true,
        }),
      ],
    }),
  ],
})

export const Stock = createFileRegistry(file, () => undefined).getService('shop.Stock') as DescService
