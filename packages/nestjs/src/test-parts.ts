import { createFetchTransport, readOperation } from '@sd/client'
import { checkFunction, checkKnownKeys, checkName, checkObject, type Registry } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import type { Part } from './options.ts'

/** A request that a handler of a test receives. */
export interface FakeRequest {
  readonly service: string
  /** The operation that matched, such as `GET /stock/{id}`; the method and the path if none did. */
  readonly operation: string
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Values of the names in braces, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** Fields behind the path's `?`. */
  readonly query: URLSearchParams
  readonly headers: Headers
  /** The body: what its JSON says, otherwise its text; `undefined` without a body. */
  readonly body: unknown
}

/** The response of a service in a test: a value, which is sent as JSON, or a `Response`. If it throws, the connection
 * fails, and the policies of the
 * client apply.
 */
export type FakeHandler = (request: FakeRequest) => unknown

/** Handlers by operation, such as `'GET /stock/{id}'`. Of several that match, the one with fewer names in braces is called. */
export type FakeService = Readonly<Record<string, FakeHandler>>

/** Options of `SdTestingModule.forRoot`. */
export interface SdTestingOptions {
  /** The services that the application calls, by name. @default {} */
  readonly services?: Readonly<Record<string, FakeService>>
  /** Values over the defaults of the application. Files, environment and centers are not read. @default {} */
  readonly config?: Readonly<Record<string, unknown>>
}

interface Route {
  readonly operation: string
  readonly method: string
  readonly segments: readonly (string | undefined)[]
  readonly names: readonly string[]
  readonly handler: FakeHandler
}

/** The replacement of the network in a test. */
export class Testing {
  readonly calls: FakeRequest[] = []
  readonly config: Readonly<Record<string, unknown>>
  readonly registry: Registry = createMemoryRegistry()
  /** Services by origin, and their routes. */
  readonly #origins = new Map<string, string>()
  readonly #services = new Map<string, Route[]>()

  constructor(options: SdTestingOptions) {
    checkKnownKeys('', checkObject('options', options), ['services', 'config'])
    this.config = options.config ?? {}
    for (const [service, handlers] of Object.entries(checkObject('services', options.services ?? {}))) {
      this.handle(service, handlers as FakeService)
    }
  }

  /** Adds handlers; those of the same operations are replaced. @throws SdError `SD_INVALID` that names the operation */
  handle(service: string, handlers: FakeService): void {
    const at = `services.${checkName('service', service)}`
    const routes = this.#services.get(service) ?? []
    const added = Object.entries(checkObject(at, handlers)).map(
      ([operation, handler]): Route => ({
        ...readOperation(at, operation),
        operation,
        handler: checkFunction(`${at}.${operation}`, handler as FakeHandler),
      }),
    )
    const kept = routes.filter(({ operation }) => !(operation in handlers))
    this.#services.set(
      service,
      [...kept, ...added].sort((one, other) => one.names.length - other.names.length),
    )
  }

  /** Registers an instance of each service, at an address that nothing listens on. */
  async register(): Promise<void> {
    for (const service of this.#services.keys()) {
      const port = this.#origins.size + 1
      this.#origins.set(`http://127.0.0.1:${port}`, service)
      await this.registry.register({ service, address: '127.0.0.1', port })
    }
  }

  /** Responds in place of the network. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input))
    const service = this.#origins.get(url.origin) ?? url.origin
    const method = init?.method ?? 'GET'
    const [route, params] = this.#find(service, method, url.pathname)
    const request = {
      service,
      operation: route?.operation ?? `${method} ${url.pathname}`,
      method,
      path: `${url.pathname}${url.search}`,
      params,
      query: url.searchParams,
      headers: new Headers(init?.headers),
      body: await readBody(init?.body),
    }
    this.calls.push(request)
    if (!route)
      return Response.json({ detail: `SdTestingModule has no handler for ${service}: ${request.operation}` }, { status: 501 })
    const result = await route.handler(request)
    if (result instanceof Response) return result
    return result === undefined ? new Response(null, { status: 204 }) : Response.json(result)
  }

  #find(
    service: string,
    method: string,
    path: string,
  ): readonly [route: Route | undefined, params: Readonly<Record<string, string>>] {
    const given = path.slice(1).split('/')
    const route = this.#services
      .get(service)
      ?.find(
        (one) =>
          one.method === method &&
          one.segments.length === given.length &&
          one.segments.every((segment, index) => (segment === undefined ? given[index] !== '' : segment === given[index])),
      )
    if (!route) return [undefined, {}]
    const values = given.filter((_, index) => route.segments[index] === undefined).map(decodeURIComponent)
    return [route, Object.fromEntries(route.names.map((name, index) => [name, values[index] as string]))]
  }
}

async function readBody(body: RequestInit['body']): Promise<unknown> {
  if (body === undefined || body === null) return undefined
  const text = await new Response(body).text()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Replaces everything outside of the process: registry, network, files, environment and centers. */
export async function applyTesting(part: Part, testing: Testing): Promise<Part> {
  const { config = {}, makeCenters: _, registry: _registry, ...rest } = part
  const { file: _file, center, ...kept } = config
  for (const one of [center ?? []].flat()) await ('source' in one ? one.source : one).close()
  await testing.register()
  return {
    ...rest,
    registry: testing.registry,
    config: { ...kept, env: false, defaults: { ...kept.defaults, ...testing.config } },
    client: { ...rest.client, transport: createFetchTransport({ fetch: testing.fetch }) },
    lifecycle: { ...rest.lifecycle, propagationDelayMs: 0 },
    onClose: [...(rest.onClose ?? []), () => testing.registry.close()],
  }
}
