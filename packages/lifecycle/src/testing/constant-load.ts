/** Load at a constant rate, however fast the responses arrive. */
export interface ConstantLoad {
  /** Number of calls that were started. */
  readonly calls: number
  /** Errors of calls. */
  readonly failures: readonly unknown[]
  /** Starts no more calls and waits for those in progress. */
  stop(): Promise<void>
}

const tickMs = 5

/** Starts `perSecond` calls in every second. */
export function startConstantLoad(perSecond: number, call: (index: number) => Promise<unknown>): ConstantLoad {
  const startedAt = performance.now()
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let calls = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * perSecond) / 1_000
    while (calls < due) {
      const ended = call(calls++).then(
        () => void underWay.delete(ended),
        (error: unknown) => {
          underWay.delete(ended)
          failures.push(error)
        },
      )
      underWay.add(ended)
    }
  }, tickMs)
  return {
    get calls() {
      return calls
    },
    failures,
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}
