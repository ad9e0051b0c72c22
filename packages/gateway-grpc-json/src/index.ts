export { createGrpcJson, type GrpcJsonOptions } from './grpc-json.ts'
