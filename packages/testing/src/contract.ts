/** One requirement of a contract, as a test for any runner: `test(name, run)`. */
export interface ContractCase {
  /** The requirement, as a sentence. */
  readonly name: string
  /** Resolves if it is met, otherwise rejects with an `AssertionError`. */
  readonly run: () => Promise<void>
}

/** Body of a case. It receives its own backend, which is disposed of afterwards. */
export type CaseBody<Context> = (context: Context) => Promise<void>

/** The clients of one case, which are closed after it. */
export interface CaseClients<Client, Args extends readonly unknown[]> {
  /** Opens a client. */
  readonly open: (...args: Args) => Promise<Client>
  /** Closes every client, then the backend. */
  readonly dispose: () => Promise<void>
}

/** Tracks the clients that a case opens. */
export function createCaseClients<Client extends { close(): Promise<void> }, Args extends readonly unknown[]>(backend: {
  open(...args: Args): Promise<Client>
  dispose(): Promise<void>
}): CaseClients<Client, Args> {
  const clients: Client[] = []
  return {
    async open(...args) {
      const client = await backend.open(...args)
      clients.push(client)
      return client
    },
    async dispose() {
      await Promise.all(clients.map((client) => client.close()))
      await backend.dispose()
    },
  }
}

/** Binds named bodies to a context that is created for each case and disposed of afterwards. */
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
