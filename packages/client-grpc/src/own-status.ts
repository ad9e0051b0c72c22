import type { SdError, SdErrorOptions } from '@sd/core'
import { grpcError, grpcStatusOf } from '@sd/grpc-status'
import type { GrpcStatus } from './grpc-types.ts'
import { describeStatus } from './status-codes.ts'

/** Carries a status that grpc-js itself created through the errors of the client. */
class OwnStatus extends Error {
  override readonly name = 'OwnStatus'
  readonly status: GrpcStatus

  constructor(status: GrpcStatus) {
    super(describeStatus(status))
    this.status = status
  }
}

/** The error of a status that grpc-js itself created: it does not come from a peer. */
export function toOwnError(status: GrpcStatus, options: SdErrorOptions = {}): SdError {
  return grpcError(status.code, describeStatus(status), { cause: new OwnStatus(status), ...options })
}

/** Maximum depth of the search through causes. */
const maxDepth = 5

/** The status code of an error for the caller: the one that grpc-js created, if any. */
export function codeOf(error: SdError): number {
  let cause: unknown = error.cause
  for (let depth = 0; depth < maxDepth && cause instanceof Error; depth++) {
    if (cause instanceof OwnStatus) return cause.status.code
    cause = cause.cause
  }
  return grpcStatusOf(error)
}
