export { type CallWithDeadline, readCallDeadline, toCallDeadline } from './deadline.ts'
export type { GrpcModule } from './grpc-js.ts'
export type { GrpcServiceSettings, GrpcServicesOptions } from './options.ts'
export { type GrpcServices, registerServices } from './register-services.ts'
