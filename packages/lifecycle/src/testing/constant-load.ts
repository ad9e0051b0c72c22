/** Load of a constant rate, however fast the answers come. */
export interface ConstantLoad {
  /** Number of calls that began. */
  readonly calls: number
  /** What calls failed with. */
  readonly failures: readonly unknown[]
  /** Begins no more calls and waits for those under way. */
  stop(): Promise<void>
}

const tickMs = 5

/** Begins `perSecond` calls in every second. */
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
