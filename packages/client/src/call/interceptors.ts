import type { CallResponse, Interceptor, SdError } from '@sd/core'
import type { ServiceResponse } from '../message/service-response.ts'

/** Told of a response, or why there is none: what waits for it itself, or the two functions of a promise. */
export interface ResponseTaker {
  /** It came. */
  onResponse(response: CallResponse): void
  /** There is none. */
  onFailure(error: unknown): void
}

/** Told what a call gives: what waits for it itself, or the two functions of a promise. */
export interface CallTaker {
  /** The response that is handed out. */
  onResponse(response: ServiceResponse): void
  /** There is none. */
  onFailure(error: SdError): void
}

/** Runs interceptors around what `begin` begins, the first outermost. Every `next()` runs what is inside of it again, `begin` included. */
export function runChain<Context>(
  interceptors: readonly Interceptor<Context>[],
  context: Context,
  begin: (taker: ResponseTaker) => void,
): Promise<CallResponse> {
  const enter = (index: number): Promise<CallResponse> => {
    const interceptor = interceptors[index]
    if (interceptor) return interceptor(context, () => enter(index + 1))
    return new Promise((onResponse, onFailure) => begin({ onResponse, onFailure }))
  }
  return enter(0)
}
