import { grpcStatusName } from '@sd/grpc-status'
import type { GrpcStatus } from './grpc-types.ts'

/** The status codes of gRPC that calls here are ended with, or looked at for. */
export const statusCodes = {
  cancelled: 1,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
} as const

/** A status in words: the name of its code, and its details if there are any. */
export function describeStatus({ code, details }: Pick<GrpcStatus, 'code' | 'details'>): string {
  return `${grpcStatusName(code)}${details && `: ${details}`}`
}
