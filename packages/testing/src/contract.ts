/** One promise of a contract, as a test of any runner: `test(name, run)`. */
export interface ContractCase {
  /** The promise, as a sentence. */
  readonly name: string
  /** Resolves if it is kept, rejects with an `AssertionError` if not. */
  readonly run: () => Promise<void>
}

/** What a case is given: a backend of its own, disposed of afterwards. */
export type CaseBody<Context> = (context: Context) => Promise<void>

/** Binds named bodies to a context that is made for each case and disposed of after it. */
export function bindCases<Context>(
  cases: Readonly<Record<string, CaseBody<Context>>>,
  setup: () => Promise<Context>,
  teardown: (context: Context) => Promise<void>,
): readonly ContractCase[] {
  return Object.entries(cases).map(([name, body]) => ({
    name,
    async run() {
      const context = await setup()
      try {
        await body(context)
      } finally {
        await teardown(context)
      }
    },
  }))
}
