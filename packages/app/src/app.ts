import { EventEmitter } from 'node:events'
import type { ServiceClient } from '@sd/client'
import type { Config } from '@sd/config'
import {
  ADMIN_PORT,
  closedError,
  invalidError,
  type Registration,
  type Registry,
  type SdError,
  toSdError,
  withTimeout,
} from '@sd/core'
import type { Discovery } from '@sd/discovery'
import {
  advertisedAddress,
  createLifecycle,
  createProbeResponse,
  type Lifecycle,
  type LifecycleServer,
  type LifecycleState,
  type ProbeResponse,
} from '@sd/lifecycle'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { explainApp } from './explain.ts'
import { type AppInstance, type AppOptions, checkInstance, type ResolvedAppOptions, resolveAppOptions } from './options.ts'
import { type AppParts, makeParts } from './parts.ts'

/** What {@link App.handle} reads of a request of `node:http`, `node:http2`, Express or Koa. */
export interface AppRequest {
  /** Path with query. */
  readonly url?: string | undefined
}

/** What {@link App.handle} writes to. */
export interface AppResponse {
  /** Sends the head. */
  writeHead(status: number, headers: Record<string, string>): unknown
  /** Sends the body and ends. */
  end(body: string): unknown
}

/** How the end of an application went. */
export interface AppReport {
  /** Whether every request under way ended by itself; true if there was no server. */
  readonly drained: boolean
  /** What went wrong, in order. Empty if nothing did. */
  readonly errors: readonly SdError[]
}

/** A service in one object: registry, discovery, client, configuration, health and its orderly end. */
export interface App<Output = unknown, Input = Output> extends AsyncDisposable {
  /** Name of the service. */
  readonly service: string
  /** Where it is in its life; `created` until {@link App.start}. */
  readonly state: LifecycleState
  readonly registry: Registry
  readonly discovery: Discovery
  readonly client: ServiceClient
  /** @throws SdError `SD_INVALID` if the option `config` was not given */
  readonly config: Config<Output, Input>
  /** The registration, once there is one. */
  readonly registration: Registration | undefined
  /**
   * Registers the server once it listens, and installs the signal handlers. Done by {@link createApp} if it was given the server.
   *
   * @param instance what is known only now, such as `{ port, protocol: 'grpc' }` of a gRPC server; it wins over the option `instance`
   * @throws SdError as `Lifecycle.start`; `SD_INVALID` for a second server, `SD_CLOSED`
   */
  start(server: LifecycleServer, instance?: AppInstance): Promise<void>
  /**
   * Answers requests for health and metrics: `if (!app.handle(request, response)) …`. Before `start` it is live and not ready.
   *
   * @returns whether it was one; otherwise the request is untouched
   */
  handle(request: AppRequest, response: AppResponse): boolean
  /** {@link App.handle} as middleware of Express and the like: `server.use(app.middleware)`. */
  readonly middleware: (request: AppRequest, response: AppResponse, next: () => void) => void
  /**
   * The response for health and metrics, for servers of fetch style, such as Hono, `Bun.serve` and `Deno.serve`:
   * `fetch: (request) => app.respond(request) ?? …`. Never rejects if `metrics.respond` does not.
   *
   * @returns `undefined` for another path
   */
  respond(request: Request): Promise<Response> | undefined
  /** The response for health alone, at once: for code that asks for the state of this process; `undefined` for another path. */
  health(request: { readonly url: string }): Response | undefined
  /** What it made, as lines of text: for a log at the start, or for someone who asks. No secret is in it. */
  explain(): string
  /**
   * The first half of {@link App.close}, for containers that end parts of their own in between: takes the instance out of the registry and drains
   * the server. The client and the configuration work until `close()`. Such a container owns the signals, too: give `lifecycle.signals: []`.
   * Idempotent; never rejects.
   */
  drain(): Promise<AppReport>
  /**
   * Takes the instance out of the registry, drains the server, runs `onClose`, then ends client, discovery, registry, configuration and telemetry.
   * Every step has a limit, and one that fails does not keep the next from running. Idempotent; never rejects.
   */
  close(): Promise<AppReport>
}

/**
 * Makes a finished service of its options: configuration first, then registry, discovery, a client with `resilient()`, health. What it makes it
 * closes; what it was given as an object stays open, except configuration centers and telemetry.
 *
 * @throws SdError `SD_INVALID` that names the option, or what the start of a part failed with; what was made is closed then
 */
export async function createApp<Schema extends StandardSchemaV1 = StandardSchemaV1>(
  options: AppOptions<Schema>,
): Promise<App<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>> {
  const resolved = resolveAppOptions(options)
  const made = await makeParts(options, resolved)
  const app = new Application(options, resolved, made)
  if (options.server !== undefined) {
    try {
      await app.start(options.server)
    } catch (error) {
      await app.close()
      throw error
    }
  }
  return app as unknown as App<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>
}

/**
 * Keeps an error of the server, such as a port in use, from ending the process while nothing else listens for it yet.
 *
 * @returns a function that stops this and returns the error, if there was one
 */
function catchEarlyError(server: unknown): () => unknown {
  if (!(server instanceof EventEmitter)) return () => undefined
  let error: unknown
  const keep = (caught: unknown): void => {
    error = caught
  }
  server.once('error', keep)
  return () => {
    server.off('error', keep)
    return error
  }
}

class Application implements App {
  readonly service: string
  readonly middleware: App['middleware']
  readonly #options: AppOptions
  readonly #resolved: ResolvedAppOptions
  readonly #parts: AppParts
  #lifecycle: Lifecycle | undefined
  #starting: Promise<void> | undefined
  #draining: Promise<AppReport> | undefined
  #closing: Promise<AppReport> | undefined
  #isClosed = false

  constructor(options: AppOptions, resolved: ResolvedAppOptions, parts: AppParts) {
    this.service = resolved.service
    this.#options = options
    this.#resolved = resolved
    this.#parts = parts
    this.middleware = (request, response, next) => {
      if (!this.handle(request, response)) next()
    }
  }

  get state(): LifecycleState {
    if (this.#isClosed) return 'stopped'
    if (this.#closing || this.#draining) return 'stopping'
    return this.#lifecycle?.state ?? 'created'
  }

  get registry(): Registry {
    return this.#parts.registry.registry
  }

  get discovery(): Discovery {
    return this.#parts.calling.discovery
  }

  get client(): ServiceClient {
    return this.#parts.calling.client
  }

  get config(): Config {
    const { configuration } = this.#parts
    if (!configuration) throw invalidError('config', undefined, 'options for configuration, such as { file: "app.yaml" }')
    return configuration.config
  }

  get registration(): Registration | undefined {
    return this.#lifecycle?.registration
  }

  start(server: LifecycleServer, instance: AppInstance = {}): Promise<void> {
    if (this.#isEnding) return Promise.reject(closedError(`The application ${this.service}`))
    if (this.#starting) return Promise.reject(invalidError('server', 'a second one', 'one server for each application'))
    this.#starting = this.#start(server, instance)
    return this.#starting
  }

  async #start(server: LifecycleServer, late: AppInstance): Promise<void> {
    const { version, needs = [], lifecycle = {} } = this.#options
    checkInstance(late)
    const instance = { ...this.#options.instance, ...late }
    const early = catchEarlyError(server)
    const address = instance.address ?? (await advertisedAddress({ otherwise: 'loopback' }))
    const failure = early()
    if (failure !== undefined) throw toSdError(failure, 'SD_UNAVAILABLE', 'The server does not listen')
    // Closed while the address was looked for.
    if (this.#isEnding) throw closedError(`The application ${this.service}`)
    const adminPort = this.#parts.admin?.portAt(address)
    const ports = adminPort === undefined ? instance.ports : { ...instance.ports, [ADMIN_PORT]: adminPort }
    this.#lifecycle = createLifecycle({
      ...lifecycle,
      registrar: this.registry,
      server,
      instance: {
        needs,
        ...instance,
        address,
        service: this.service,
        ...(ports && { ports }),
        ...(version !== undefined && { version }),
      },
      ...(this.#parts.reporter && { health: this.#parts.reporter }),
      // After drain(), close() runs them.
      onShutdown: this.#endings().map(
        ([, end]) =>
          () =>
            this.#draining ? undefined : end(),
      ),
      onError: this.#resolved.onError,
    })
    await this.#lifecycle.start()
    if (this.registration) this.#parts.admin?.addRegistration(this.registration)
  }

  handle(request: AppRequest, response: AppResponse): boolean {
    const path = request.url?.split('?', 1)[0] ?? ''
    const { metrics } = this.#options
    if (metrics && path === this.#resolved.metricsPath) {
      void metrics.handler(request as never, response as never)
      return true
    }
    const probe = this.#health(path)
    if (!probe) return false
    response.writeHead(probe.status, { ...probe.headers })
    response.end(probe.body)
    return true
  }

  respond(request: Request): Promise<Response> | undefined {
    const { pathname } = new URL(request.url)
    const respond = this.#options.metrics?.respond
    if (respond && pathname === this.#resolved.metricsPath) return respond(request as never)
    const probe = this.health({ url: pathname })
    return probe && Promise.resolve(probe)
  }

  health({ url }: { readonly url: string }): Response | undefined {
    const probe = this.#health(URL.parse(url, 'http://service')?.pathname ?? '')
    return probe && new Response(probe.body, probe)
  }

  #health(path: string): ProbeResponse | undefined {
    if (this.#lifecycle) return this.#lifecycle.health(path)
    const { livePath, readyPath } = this.#resolved
    if (path !== livePath && path !== readyPath) return undefined
    return createProbeResponse(path === livePath && !this.#isClosed, this.state, undefined)
  }

  explain(): string {
    return explainApp(this.#options, this.#resolved, this.#parts, this.state)
  }

  get #isEnding(): boolean {
    return this.#closing !== undefined || this.#draining !== undefined
  }

  drain(): Promise<AppReport> {
    if (this.#closing) return this.#closing
    this.#draining ??= this.#endServer()
    return this.#draining
  }

  close(): Promise<AppReport> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<AppReport> {
    const wasDrained = this.#draining !== undefined
    const { drained, errors } = await (this.#draining ?? this.#endServer())
    const all = [...errors]
    // Otherwise the lifecycle has run them.
    if (wasDrained || !this.#lifecycle) for (const [name, end] of this.#endings()) await this.#step(name, end, all)
    this.#isClosed = true
    return { drained, errors: all }
  }

  async #endServer(): Promise<AppReport> {
    // A start that is under way makes the lifecycle, which is then closed.
    if (!this.#lifecycle && this.#starting) await this.#starting.catch(() => undefined)
    const { drained, errors } = (await this.#lifecycle?.close()) ?? { drained: true, errors: [] }
    return { drained, errors }
  }

  /** The parts to end, in order: each is a step with a limit of its own. */
  #endings(): readonly (readonly [name: string, end: () => unknown])[] {
    const { configuration, registry, calling, reporter, admin, stopFollowing } = this.#parts
    const { onClose = [], metrics, tracing, logging } = this.#options
    return [
      ...onClose.map((hook, index) => [`onClose[${index}]`, hook] as const),
      ['the settings', stopFollowing],
      ['health', () => reporter?.close()],
      ['the client', () => calling.close()],
      ['the registry', () => registry.close()],
      ['the configuration', () => configuration?.close()],
      ['the admin endpoint', () => admin?.close()],
      ['tracing', () => tracing?.close?.()],
      ['metrics', () => metrics?.close?.()],
      ['logging', () => logging?.close?.()],
    ]
  }

  async #step(name: string, run: () => unknown, errors: SdError[]): Promise<void> {
    const what = `Closing ${name}`
    try {
      await withTimeout({ timeoutMs: this.#resolved.stepTimeoutMs, what }, async () => run())
    } catch (caught) {
      const error = toSdError(caught, 'SD_UNAVAILABLE', what)
      errors.push(error)
      this.#resolved.onError(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
