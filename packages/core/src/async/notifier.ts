/** Reports events to listeners, one event after the other. */
export interface Notifier<Event extends readonly unknown[]> {
  /**
   * Adds a listener, which must not throw: see `guardListener`. The same function can be added twice.
   *
   * @returns a function that removes it; from then on it is not called, not even for the current event
   */
  add(listener: (...event: Event) => void): () => void
  /** Queues an event until {@link Notifier.deliver}. */
  queue(...event: Event): void
  /**
   * Calls the listeners with all queued events, in order. What a listener queues is delivered after what was queued before it, so all
   * listeners see the events in the same order, even if one of them causes the next event.
   */
  deliver(): void
}

/**
 * Creates a notifier without listeners.
 *
 * @param afterEach called after the listeners of each event
 */
export function createNotifier<Event extends readonly unknown[]>(afterEach?: (...event: Event) => void): Notifier<Event> {
  const listeners = new Set<{ readonly call: (...event: Event) => void }>()
  const queued: Event[] = []
  let isDelivering = false

  return {
    add(listener) {
      const entry = { call: listener }
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
    queue(...event) {
      queued.push(event)
    },
    deliver() {
      if (isDelivering) return
      isDelivering = true
      for (let event = queued.shift(); event; event = queued.shift()) {
        for (const entry of [...listeners]) if (listeners.has(entry)) entry.call(...event)
        afterEach?.(...event)
      }
      isDelivering = false
    },
  }
}
