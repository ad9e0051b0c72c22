/** An incoming gRPC call, as far as its deadline goes: every server call of grpc-js. */
export interface CallWithDeadline {
  /** When the caller gives up, as grpc-js tells it: a date, Unix milliseconds, or `Infinity`. */
  getDeadline(): Date | number
}

/**
 * When an incoming gRPC call must have been answered, by `performance.now()`: hand it as `deadlineAt` to the calls that `@sd/client` makes for
 * it. (For gRPC calls, `{ parent: call }` of grpc-js hands on deadline and cancellation by itself.)
 *
 * @returns `undefined` if the caller set no deadline
 */
export function readCallDeadline(call: CallWithDeadline): number | undefined {
  const deadline = Number(call.getDeadline())
  return Number.isFinite(deadline) ? performance.now() + deadline - Date.now() : undefined
}

/**
 * The `deadline` of a gRPC call that is made for a request with a deadline of its own, such as `readDeadline` of `@sd/client` reads from HTTP.
 *
 * @param deadlineAt by `performance.now()`; `undefined` for none
 * @returns Unix milliseconds, or `Infinity`
 */
export function toCallDeadline(deadlineAt: number | undefined): number {
  return deadlineAt === undefined ? Number.POSITIVE_INFINITY : Date.now() + deadlineAt - performance.now()
}
