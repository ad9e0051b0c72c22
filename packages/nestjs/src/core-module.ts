import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Global,
  Inject,
  Logger,
  Module,
  type NestModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common'
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core'
import { createApp } from '@sd/app'
import { invalidError, type SdError } from '@sd/core'
import { registryOptionsOf } from '@sd/decorators'
import { bindAll, classesOf } from './binding.ts'
import { findServer } from './nest-server.ts'
import { mergeParts, type Part, splitOptions } from './options.ts'
import { type Adapter, addRequestHooks, isServing } from './request-hooks.ts'
import { applyTesting, type Testing } from './test-parts.ts'
import { SdApp, SdClient, SdConfig, SdDiscovery, SdRegistry } from './tokens.ts'

/** A module that contributes options. */
export type PartName = 'SdModule' | 'ServiceRegistryModule' | 'SdConfigModule' | 'SdMetricsModule'

/** Tokens of the options that each module contributes. */
const partTokens: Readonly<Record<PartName, symbol>> = {
  SdModule: Symbol('options of SdModule'),
  ServiceRegistryModule: Symbol('options of ServiceRegistryModule'),
  SdConfigModule: Symbol('options of SdConfigModule or NacosConfigModule'),
  SdMetricsModule: Symbol('options of SdMetricsModule'),
}

/** Token of the parts with which `SdTestingModule` replaces real ones. */
export const testingToken: symbol = Symbol('parts for tests')

const logger = new Logger('SdModule')

/** The options in effect, for the parts of this package that need them after the start. */
export abstract class Settings {
  abstract readonly part: Part
}

/** A global module that contributes options, and brings the application with it. */
export function contribute(
  module: DynamicModule['module'],
  name: PartName,
  provider: Omit<Provider & object, 'provide'>,
  imports: DynamicModule['imports'] = [],
): DynamicModule {
  const token = partTokens[name]
  return {
    module,
    global: true,
    imports: [SdCoreModule, ...imports],
    providers: [{ provide: token, ...provider } as Provider],
    exports: [token],
  }
}

function checkOnce(modules: ModulesContainer): void {
  for (const [name, token] of Object.entries(partTokens)) {
    const count = [...modules.values()].filter(({ providers }) => providers.has(token)).length
    if (count > 1) throw invalidError(name, `${count} imports with options`, 'one, in the root module')
  }
}

/** The service by the options, or by the class with `@ServiceRegistry`. */
function findService(part: Part, classes: readonly object[]): Part & { readonly service: string } {
  const declared = classes.flatMap((one) => registryOptionsOf(one) ?? [])
  if (declared.length > 1) throw invalidError('service', `${declared.length} classes with @ServiceRegistry`, 'one')
  const { service, version, metadata, tags } = { ...declared[0] }
  const name = part.service ?? service
  if (name === undefined) throw invalidError('service', undefined, 'a name, here or with @ServiceRegistry on the root module')
  const instance = { ...(metadata && { metadata }), ...(tags && { tags }), ...part.instance }
  return {
    ...part,
    ...(version !== undefined && { version }),
    ...(part.version !== undefined && { version: part.version }),
    service: name,
    instance,
  }
}

/** Creates the application from the contributions of the modules. */
async function makeApp(settings: Settings, modules: ModulesContainer): Promise<unknown> {
  const { app, makeCenters } = splitOptions(settings.part)
  // createApp would wait until the server listens, which happens after Nest has created its providers.
  const { lifecycle, config = {}, server: _, ...rest } = findService(app, classesOf(modules))
  const center = makeCenters && (await makeCenters(classesOf(modules)))
  return createApp({
    ...rest,
    config: { ...config, ...(center && { center }) },
    lifecycle: { ...lifecycle, signals: [], exit: false },
    onError: ({ message, stack }: SdError) => logger.error(message, stack),
  })
}

async function makeSettings(
  modules: ModulesContainer,
  testing: Testing | undefined,
  ...parts: (Part | undefined)[]
): Promise<Settings> {
  checkOnce(modules)
  const names = Object.keys(partTokens)
  const merged = mergeParts(parts.map((part, index) => [names[index] as string, part]))
  return { part: testing ? await applyTesting(merged, testing) : merged }
}

const optional = (token: symbol): { token: symbol; optional: true } => ({ token, optional: true })

const tokens: Provider[] = [
  {
    provide: Settings,
    useFactory: makeSettings,
    inject: [ModulesContainer, optional(testingToken), ...Object.values(partTokens).map(optional)],
  },
  { provide: SdApp, useFactory: makeApp, inject: [Settings, ModulesContainer] },
  { provide: SdClient, useFactory: ({ client }: SdApp) => client, inject: [SdApp] },
  { provide: SdConfig, useFactory: ({ config }: SdApp) => config, inject: [SdApp] },
  { provide: SdDiscovery, useFactory: ({ discovery }: SdApp) => discovery, inject: [SdApp] },
  { provide: SdRegistry, useFactory: ({ registry }: SdApp) => registry, inject: [SdApp] },
]

/** Follows the life of the Nest application: one for each, and global, so that Nest ends it last. */
export class SdCoreModule
  implements NestModule, OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #app: SdApp
  readonly #settings: Settings
  readonly #host: HttpAdapterHost
  readonly #modules: ModulesContainer
  #hasHooks = false
  #unbind: (() => void) | undefined
  #stopWaiting: (() => void) | undefined

  constructor(app: SdApp, settings: Settings, host: HttpAdapterHost, modules: ModulesContainer) {
    this.#app = app
    this.#settings = settings
    this.#host = host
    this.#modules = modules
    // Before Nest adds its body parsers.
    this.#addRequestHooks()
  }

  /** Called by Nest if there is an HTTP server. In a test it exists only now. */
  configure(): void {
    this.#addRequestHooks()
  }

  #addRequestHooks(): void {
    const adapter = this.#host.httpAdapter as unknown as Adapter | undefined
    if (this.#hasHooks || !isServing(adapter)) return
    this.#hasHooks = true
    addRequestHooks(adapter, this.#app, this.#settings.part)
    // Nest 12 asks the adapter before it ends any module: the earliest moment, without SdDrain.
    const before = adapter.beforeClose?.bind(adapter)
    adapter.beforeClose = async () => {
      await this.#app.drain()
      await before?.()
    }
  }

  onModuleInit(): void {
    this.#unbind = bindAll(this.#modules, this.#app)
  }

  onApplicationBootstrap(): void {
    const { instance = {}, server, isRegistered = true } = this.#settings.part
    if (!isRegistered) return
    if (server) {
      void this.#start(server)
      return
    }
    const found = findServer(this.#host, this.#modules, instance)
    this.#stopWaiting = found?.onListening(() => void this.#start(found.server))
  }

  async #start(server: Parameters<SdApp['start']>[0]): Promise<void> {
    const app = this.#app
    try {
      await app.start(server)
      const { instance } = app.registration ?? {}
      if (instance) logger.log(`Registered ${instance.service} at ${instance.address}:${instance.port} as ${instance.id}`)
    } catch (caught) {
      if (app.state === 'stopping' || app.state === 'stopped') return
      const { message, stack } = caught as Error
      logger.error(`${app.service} is not registered: ${message}`, stack)
      if (!this.#settings.part.failOnRefusal) return
      process.exitCode = 1
      process.kill(process.pid, 'SIGTERM')
    }
  }

  /** For applications without `SdDrain`: later than it, and before Nest ends the server. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stopWaiting?.()
    await this.#app.drain()
  }

  async onApplicationShutdown(): Promise<void> {
    this.#unbind?.()
    await this.#app.close()
  }
}

for (const [index, token] of [SdApp, Settings, HttpAdapterHost, ModulesContainer].entries()) {
  Inject(token)(SdCoreModule, undefined, index)
}
Module({ providers: tokens, exports: [SdApp, SdClient, SdConfig, SdDiscovery, SdRegistry, Settings] })(SdCoreModule)
Global()(SdCoreModule)

/**
 * Put it into the providers of the root module: the instance leaves the registry and the server is drained before Nest ends any other module. Without
 * it, a database that ends in `onModuleDestroy` is closed while requests still need it. Nest 12 with an HTTP server does not need it.
 */
export class SdDrain implements OnModuleDestroy {
  readonly #app: SdApp

  constructor(app: SdApp) {
    this.#app = app
  }

  /** Called by Nest, for the root module first. */
  async onModuleDestroy(): Promise<void> {
    await this.#app.drain()
  }
}

Inject(SdApp)(SdDrain, undefined, 0)
