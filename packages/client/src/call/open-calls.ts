import { closedError, followLoop, type SdError } from '@sd/core'
import { type Linked, LinkedList } from './linked-list.ts'

/** An operation in progress that can be ended. */
export interface OpenCall extends Linked<OpenCall> {
  /** Ends it. */
  stop(error: SdError): void
}

/** The calls of a client that are in progress. */
export interface OpenCalls {
  /** Whether new calls are rejected. */
  readonly isClosed: boolean
  /** Adds a call in progress. */
  add(call: OpenCall): void
  /** A call has ended. */
  delete(call: OpenCall): void
  /** Rejects new calls, waits until the last one has ended, and ends the remaining ones after `graceMs`. */
  close(graceMs: number): Promise<void>
}

/** Creates an empty set of calls. */
export function createOpenCalls(): OpenCalls {
  const calls = new LinkedList<OpenCall>()
  const drained = Promise.withResolvers<void>()
  let isClosed = false
  /** While calls are in progress, stalls of this process are measured: their time is not charged to the calls. */
  const work = {
    get isBusy() {
      return calls.size > 0
    },
  }
  return {
    get isClosed() {
      return isClosed
    },
    add(call) {
      calls.add(call)
      if (calls.size === 1) followLoop(work)
    },
    delete(call) {
      calls.delete(call)
      if (isClosed && calls.size === 0) drained.resolve()
    },
    async close(graceMs) {
      isClosed = true
      if (calls.size === 0) return
      const timer = setTimeout(() => {
        for (const call of calls.toArray()) call.stop(closedError('client'))
        // A call that does not end must not keep the client from closing.
        drained.resolve()
      }, graceMs)
      await drained.promise
      clearTimeout(timer)
    },
  }
}
