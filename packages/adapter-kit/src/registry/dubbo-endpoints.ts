import { readForeignPorts } from './foreign-ports.ts'

/** What Dubbo's application-level registration says of a port. Everything in it was written by other tools. */
interface DubboEndpoint {
  readonly port?: unknown
  readonly protocol?: unknown
}

/**
 * The protocol that Dubbo's application-level registration names for a port: its instances have no `protocol`, but the metadata
 * `dubbo.endpoints`, such as `[{"port":20881,"protocol":"tri"}]`.
 *
 * @returns `undefined` if there is none for the port, or the text can't be read
 */
export function dubboProtocol(text: unknown, port: number): string | undefined {
  const found = readEndpoints(text).find((one) => Number(one?.port) === port)
  return typeof found?.protocol === 'string' ? found.protocol : undefined
}

/** The ports in the same metadata, named by their protocol; `undefined` if there are none, or the text can't be read. */
export function dubboPorts(text: unknown): Readonly<Record<string, number>> | undefined {
  return readForeignPorts(readEndpoints(text).map((one) => [one?.protocol, one?.port] as const))
}

function readEndpoints(text: unknown): readonly (DubboEndpoint | null)[] {
  if (typeof text !== 'string') return []
  try {
    const endpoints: unknown = JSON.parse(text)
    return Array.isArray(endpoints) ? endpoints : []
  } catch {
    return []
  }
}
