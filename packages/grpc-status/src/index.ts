export { grpcError, grpcStatusName, grpcStatusOf, grpcStatusOfHttp, judgeGrpcResponse, judgeGrpcStatus } from './grpc-status.ts'
