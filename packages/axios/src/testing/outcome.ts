import { type AxiosError, type AxiosResponse, isAxiosError } from 'axios'

/** The result of a request, in a form that two adapters can be compared by. */
export type Outcome = Readonly<Record<string, unknown>>

/** Header fields of a response that depend on the connection, or on the time. */
const ofConnection: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding'])

async function readData(data: unknown): Promise<unknown> {
  if (typeof data !== 'object' || data === null || !(Symbol.asyncIterator in data)) return data
  const chunks: Buffer[] = []
  try {
    for await (const chunk of data as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch (error) {
    return { read: Buffer.concat(chunks).toString(), failed: isAxiosError(error) ? error.code : true }
  }
  return { read: Buffer.concat(chunks).toString() }
}

async function ofResponse({ status, statusText, headers, data, request, config }: AxiosResponse): Promise<Outcome> {
  const fields = Object.entries(headers).filter(([name]) => !ofConnection.has(name))
  const { path, method, res } = (request ?? {}) as {
    readonly path?: string
    readonly method?: string
    readonly res?: { responseUrl?: string }
  }
  return {
    status,
    statusText,
    headers: Object.fromEntries(fields.sort(([left], [right]) => (left < right ? -1 : 1))),
    data: await readData(data),
    request: { path, method, responseUrl: res?.responseUrl },
    config: { method: config.method, proxy: config.proxy, transport: config.transport },
  }
}

/** Waits for a request, and describes its response or its error. */
export async function outcomeOf(sent: Promise<AxiosResponse>): Promise<Outcome> {
  try {
    return await ofResponse(await sent)
  } catch (error) {
    if (!isAxiosError(error)) return { thrown: (error as Error).message }
    const { name, code, message, status, response } = error as AxiosError
    return { name, code, message, status, ...(response && { response: await ofResponse(response) }) }
  }
}
