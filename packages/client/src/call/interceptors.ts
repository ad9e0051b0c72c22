import type { CallResponse, Interceptor, SdError } from '@sd/core'
import type { ServiceResponse } from '../message/service-response.ts'

/** Receives a response or a failure: the waiting object itself, or the two functions of a promise. */
export interface ResponseTaker {
  /** The response arrived. */
  onResponse(response: CallResponse): void
  /** There is no response. */
  onFailure(error: unknown): void
}

/** Receives the result of a call: the waiting object itself, or the two functions of a promise. */
export interface CallTaker {
  /** The response for the caller. */
  onResponse(response: ServiceResponse): void
  /** The call failed. */
  onFailure(error: SdError): void
}

/** Runs interceptors around `begin`, the first outermost. Every `next()` runs the inner ones again, including `begin`. */
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
