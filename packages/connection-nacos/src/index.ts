export { createApiChoice, isMissing, type NacosApis, type UseApi } from './choose-api.ts'
export { type ConfigListenerOptions, listenToConfigs } from './config-listener.ts'
export type { NacosGrpc, NacosGrpcRequest } from './grpc/grpc-connection.ts'
export { type NacosGrpcSession, untilSessionEnds } from './grpc/grpc-session.ts'
export { createNacosConnection, type NacosConnection, type NacosExchange } from './nacos-connection.ts'
export type { NacosRequest, NacosResponse } from './nacos-http.ts'
export { createNamingRequests, type NamingRequests } from './naming-requests.ts'
export {
  CONNECTION_OPTIONS,
  checkGroup,
  checkLabel,
  type NacosApiName,
  type NacosConnectionOptions,
  type ResolvedNacosConnectionOptions,
  resolveNacosConnectionOptions,
} from './options.ts'
export { isNoConfig, isRefusedByMd5 } from './server-texts.ts'
