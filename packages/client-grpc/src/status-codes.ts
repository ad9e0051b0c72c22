import { grpcStatusName } from '@sd/grpc-status'
import type { GrpcStatus } from './grpc-types.ts'

/** The gRPC status codes that this package uses. */
export const statusCodes = {
  cancelled: 1,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
} as const

/** A status as text: the name of its code, and its details if there are any. */
export function describeStatus({ code, details }: Pick<GrpcStatus, 'code' | 'details'>): string {
  return `${grpcStatusName(code)}${details && `: ${details}`}`
}
