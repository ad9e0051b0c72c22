import type { CallResponse, Interceptor } from '@sd/core'

/** Runs interceptors around `last`, the first outermost. Every `next()` runs what is inside of it again, `last` included. */
export function runChain<Context>(
  interceptors: readonly Interceptor<Context>[],
  context: Context,
  last: () => Promise<CallResponse>,
): Promise<CallResponse> {
  const enter = (index: number): Promise<CallResponse> => {
    const interceptor = interceptors[index]
    return interceptor ? interceptor(context, () => enter(index + 1)) : last()
  }
  return enter(0)
}
