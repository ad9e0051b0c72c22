import { closedError, followLoop, type SdError } from '@sd/core'
import { type Linked, LinkedList } from './linked-list.ts'

/** Something under way that can be ended. */
export interface OpenCall extends Linked<OpenCall> {
  /** Ends it. */
  stop(error: SdError): void
}

/** The calls of a client that are under way. */
export interface OpenCalls {
  /** Whether new calls are refused. */
  readonly isClosed: boolean
  /** Counts a call as under way. */
  add(call: OpenCall): void
  /** A call has ended. */
  delete(call: OpenCall): void
  /** Refuses new calls, waits until the last has ended, and after `graceMs` ends those that are left. */
  close(graceMs: number): Promise<void>
}

/** Nothing under way yet. */
export function createOpenCalls(): OpenCalls {
  const calls = new LinkedList<OpenCall>()
  const drained = Promise.withResolvers<void>()
  let isClosed = false
  /** While calls are under way it is known for how long this process stands still: that is no time of theirs. */
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
        // Whatever they do: nothing may keep the client from closing.
        drained.resolve()
      }, graceMs)
      await drained.promise
      clearTimeout(timer)
    },
  }
}
