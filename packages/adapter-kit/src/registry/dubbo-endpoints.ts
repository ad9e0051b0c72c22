import { readForeignPorts } from './foreign-ports.ts'

/** A port in Dubbo's application-level registration. Other tools wrote it, so nothing is guaranteed. */
interface DubboEndpoint {
  readonly port?: unknown
  readonly protocol?: unknown
}

/**
 * Returns the protocol that Dubbo's application-level registration specifies for a port. Its instances have no
 * `protocol`, but the metadata `dubbo.endpoints`, such as `[{"port":20881,"protocol":"tri"}]`.
 *
 * @returns `undefined` if there is none for the port, or the text can't be parsed
 */
export function dubboProtocol(text: unknown, port: number): string | undefined {
  const found = readEndpoints(text).find((one) => Number(one?.port) === port)
  return typeof found?.protocol === 'string' ? found.protocol : undefined
}

/**
 * Returns the ports of the same metadata, named by their protocol; `undefined` if there are none, or the text can't be
 * parsed.
 */
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
