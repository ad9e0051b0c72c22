/** The writing side and the reading side of a stream that holds at most one unread value. */
export interface LatestWins<T> extends AsyncIterableIterator<T> {
  /** Offers a value. It replaces an unread one. */
  offer(value: T): void
  /** Ends the stream with an error, at once: an unread value is dropped. */
  fail(error: unknown): void
  /** Ends the stream, at once: an unread value is dropped. */
  end(): void
  /** Ends the stream from the reader's side; settles at once even while a `next` is pending. */
  return(): Promise<IteratorResult<T>>
}

/** Options of {@link createLatestWins}. */
export interface LatestWinsOptions<T> {
  /** Whether two values say the same; what equals the last one read is not handed out again. @default `Object.is` */
  readonly equals?: (a: T, b: T) => boolean
  /** Called once when the stream ended, whoever ended it. */
  readonly onEnd?: () => void
}

/**
 * A stream for values of which only the newest matters, such as snapshots and configuration: a slow reader skips
 * intermediate values instead of making a queue grow. Not an async generator, because `return()` on one of those hangs while
 * a `next()` is pending.
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
