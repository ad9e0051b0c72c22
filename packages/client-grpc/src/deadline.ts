/** The part of an incoming gRPC call that has its deadline: every server call of grpc-js. */
export interface CallWithDeadline {
  /** Deadline as grpc-js reports it: a date, Unix milliseconds, or `Infinity`. */
  getDeadline(): Date | number
}

/**
 * Deadline of an incoming gRPC call, by `performance.now()`: pass it as `deadlineAt` to the calls that `@sd/client`
 * makes for it. (For gRPC calls, `{ parent: call }` of grpc-js passes on deadline and cancellation.)
 *
 * @returns `undefined` if the caller set no deadline
 */
export function readCallDeadline(call: CallWithDeadline): number | undefined {
  const deadline = Number(call.getDeadline())
  return Number.isFinite(deadline) ? performance.now() + deadline - Date.now() : undefined
}

/**
 * The `deadline` of a gRPC call made for a request with its own deadline, such as `readDeadline` of `@sd/core` reads
 * from HTTP.
 *
 * @param deadlineAt by `performance.now()`; `undefined` for none
 * @returns Unix milliseconds, or `Infinity`
 */
export function toCallDeadline(deadlineAt: number | undefined): number {
  return deadlineAt === undefined ? Number.POSITIVE_INFINITY : Date.now() + deadlineAt - performance.now()
}
