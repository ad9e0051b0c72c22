/** A response whose head waits for the first chunk of the body. */
interface Flushable {
  flush(): void
  cut(): void
}

let waiting: Flushable[] = []

/** Calls `flush` once the events of this turn of the event loop have been handled: often the whole body is among them. */
export function flushSoon(one: Flushable): void {
  if (waiting.push(one) === 1) setImmediate(flushAll)
}

function flushAll(): void {
  const all = waiting
  waiting = []
  for (const one of all) {
    try {
      one.flush()
    } catch {
      // The service sent a head that can't be sent on.
      one.cut()
    }
  }
}
