/**
 * The protocol that Dubbo's application-level registration names for a port: its instances have no `protocol`, but the metadata
 * `dubbo.endpoints`, such as `[{"port":20881,"protocol":"tri"}]`.
 *
 * @returns `undefined` if there is none for the port, or the text can't be read
 */
export function dubboProtocol(text: unknown, port: number): string | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const endpoints: unknown = JSON.parse(text)
    if (!Array.isArray(endpoints)) return undefined
    const found = (endpoints as readonly ({ port?: unknown; protocol?: unknown } | null)[]).find(
      (one) => Number(one?.port) === port,
    )
    return typeof found?.protocol === 'string' ? found.protocol : undefined
  } catch {
    return undefined
  }
}
