/** Load at a constant rate, however fast the responses arrive. */
export interface ConstantLoad {
  /** Number of calls that were started. */
  readonly calls: number
  /** Errors of calls. */
  readonly failures: readonly unknown[]
  /** Waits for the calls that are in progress now. */
  settled(): Promise<void>
  /** Starts no more calls and waits for those in progress. */
  stop(): Promise<void>
}

const tickMs = 5

/** Starts `perSecond` calls in every second. */
export function startConstantLoad(perSecond: number, call: (index: number) => Promise<unknown>): ConstantLoad {
  const startedAt = performance.now()
  const inProgress = new Set<Promise<void>>()
  const failures: unknown[] = []
  let calls = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * perSecond) / 1_000
    while (calls < due) {
      const ended = call(calls++).then(
        () => void inProgress.delete(ended),
        (error: unknown) => {
          inProgress.delete(ended)
          failures.push(error)
        },
      )
      inProgress.add(ended)
    }
  }, tickMs)
  return {
    get calls() {
      return calls
    },
    failures,
    async settled() {
      await Promise.all(inProgress)
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(inProgress)
    },
  }
}
