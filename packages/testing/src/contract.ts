/** One promise of a contract, as a test of any runner: `test(name, run)`. */
export interface ContractCase {
  /** The promise, as a sentence. */
  readonly name: string
  /** Resolves if it is kept, rejects with an `AssertionError` if not. */
  readonly run: () => Promise<void>
}

/** What a case is given: a backend of its own, disposed of afterwards. */
export type CaseBody<Context> = (context: Context) => Promise<void>

/** Clients of one case, which are closed after it. */
export interface CaseClients<Client, Args extends readonly unknown[]> {
  /** Opens a client. */
  readonly open: (...args: Args) => Promise<Client>
  /** Closes every client, and then the backend. */
  readonly dispose: () => Promise<void>
}

/** Remembers the clients that a case opens. */
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
