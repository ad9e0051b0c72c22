export {
  grpcError,
  grpcStatusName,
  grpcStatusOf,
  grpcStatusOfHttp,
  httpStatusOfGrpc,
  judgeGrpcResponse,
  judgeGrpcStatus,
} from './grpc-status.ts'
