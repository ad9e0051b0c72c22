/** A stream that holds at most one unread value, with its writing and its reading side. */
export interface LatestWins<T> extends AsyncIterableIterator<T> {
  /** Offers a value. It replaces the unread one, if any. */
  offer(value: T): void
  /** Ends the stream immediately with an error. An unread value is dropped. */
  fail(error: unknown): void
  /** Ends the stream immediately. An unread value is dropped. */
  end(): void
  /** Ends the stream from the reader's side. Settles at once, even while a `next` is pending. */
  return(): Promise<IteratorResult<T>>
}

/** Options of {@link createLatestWins}. */
export interface LatestWinsOptions<T> {
  /** Whether two values are equal. A value equal to the last one read is not delivered. @default `Object.is` */
  readonly equals?: (a: T, b: T) => boolean
  /** Called once when the stream ends, from either side. */
  readonly onEnd?: () => void
}

/**
 * Creates a stream for values of which only the newest matters, such as snapshots and configuration. A slow reader skips
 * intermediate values, so no queue grows. It is not an async generator because `return()` of a generator hangs while a
 * `next()` is pending.
 */
export function createLatestWins<T>(options: LatestWinsOptions<T> = {}): LatestWins<T> {
  const { equals = Object.is, onEnd } = options
  let unread: { value: T } | undefined
  let lastRead: { value: T } | undefined
  let ended = false
  let failure: { error: unknown } | undefined
  let waiting: PromiseWithResolvers<IteratorResult<T>>[] = []

  function finish(): void {
    if (ended) return
    ended = true
    unread = undefined
    const readers = waiting
    waiting = []
    for (const reader of readers) void settle(reader)
    onEnd?.()
  }

  function settle(reader: PromiseWithResolvers<IteratorResult<T>>): void {
    if (failure) {
      const { error } = failure
      failure = undefined
      reader.reject(error)
    } else {
      reader.resolve({ done: true, value: undefined })
    }
  }

  return {
    offer(value) {
      if (ended) return
      if (lastRead && equals(lastRead.value, value)) {
        unread = undefined
        return
      }
      const reader = waiting.shift()
      if (reader) {
        lastRead = { value }
        reader.resolve({ done: false, value })
      } else {
        unread = { value }
      }
    },
    fail(error) {
      if (ended) return
      failure = { error }
      finish()
    },
    end: finish,
    next() {
      const reader = Promise.withResolvers<IteratorResult<T>>()
      if (unread) {
        lastRead = unread
        unread = undefined
        reader.resolve({ done: false, value: lastRead.value })
      } else if (ended) {
        settle(reader)
      } else {
        waiting.push(reader)
      }
      return reader.promise
    },
    return() {
      failure = undefined
      finish()
      return Promise.resolve({ done: true, value: undefined })
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
