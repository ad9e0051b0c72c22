/** A backend that records which of its methods are called. */
export interface Recorded<T> {
  readonly backend: T
  readonly calls: Set<string>
}

/** Records the calls of a backend. */
export function record<T extends object>(backend: T, calls: Set<string> = new Set()): Recorded<T> {
  const recording = new Proxy(backend, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return (...values: readonly unknown[]) => {
        calls.add(typeof key === 'symbol' ? String(key) : key)
        return Reflect.apply(value, target, values)
      }
    },
  })
  return { backend: recording, calls }
}
