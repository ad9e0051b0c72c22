/** The part of a method's config that this package reads; grpc-js reads the rest, such as the retry policy. */
export interface MethodConfig {
  /** Methods that it applies to. */
  readonly name: readonly { readonly service?: string; readonly method?: string }[]
  /** Time limit of a call. */
  readonly timeout?: Duration | string
}

/** A duration as in protobuf's JSON. */
interface Duration {
  readonly seconds: number
  readonly nanos: number
}

/** A channel's service config: https://github.com/grpc/grpc/blob/master/doc/service_config.md */
export interface ServiceConfig {
  /** Configs by method. */
  readonly methodConfig: readonly MethodConfig[]
}

/** Maximum number of methods of a channel whose config is cached. */
const maxRemembered = 1_000

/** Reads the channel option `grpc.service_config`, which grpc-js has already validated. */
export function readServiceConfig(json: unknown): ServiceConfig {
  const config: Partial<ServiceConfig> = typeof json === 'string' ? JSON.parse(json) : {}
  const methodConfig = (config.methodConfig ?? []).map((method) =>
    method.timeout === undefined ? method : { ...method, timeout: toDuration(method.timeout) },
  )
  return { ...config, methodConfig }
}

/**
 * Finds the config of a method by its path, such as `/shop.Orders/Get`: that of the method itself, otherwise of its service, otherwise of all methods.
 *
 * @param timeoutMs limit of calls for which the config has none, in milliseconds; 0 for none
 */
export function createMethodFinder({ methodConfig }: ServiceConfig, timeoutMs: number): (path: string) => MethodConfig {
  const limit = timeoutMs > 0 ? { timeout: toDuration(`${timeoutMs / 1_000}s`) } : {}
  const known = new Map<string, MethodConfig>()
  function find(path: string): MethodConfig | undefined {
    const [, service, method] = path.split('/')
    const named = (wantedService?: string, wantedMethod?: string): MethodConfig | undefined =>
      methodConfig.find(({ name }) =>
        name.some((one) => (one.service || undefined) === wantedService && (one.method || undefined) === wantedMethod),
      )
    return named(service, method) ?? named(service) ?? named()
  }
  return (path) => {
    const found = known.get(path) ?? { name: [], ...limit, ...find(path) }
    if (known.size < maxRemembered) known.set(path, found)
    return found
  }
}

/** Reads a duration such as `1.5s`. */
function toDuration(value: Duration | string): Duration {
  if (typeof value !== 'string') return value
  const [seconds, fraction = ''] = value.slice(0, -1).split('.')
  return { seconds: Number(seconds), nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) }
}
