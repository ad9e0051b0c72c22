// biome-ignore-all lint/complexity/noStaticOnlyClass: Nest's modules are classes.

import { type DynamicModule, Module } from '@nestjs/common'
import type { AppConfigOptions } from '@sd/app'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { provideFeature, type SdFeature } from './binding.ts'
import { contribute, type PartName } from './core-module.ts'
import { type NacosConfigModuleOptions, toNacosPart } from './nacos-config.ts'
import {
  type Part,
  type SdAsyncOptions,
  type SdMetricsModuleOptions,
  type SdModuleOptions,
  type ServiceRegistryModuleOptions,
  toMetricsPart,
} from './options.ts'

type ModuleClass = DynamicModule['module']

function withOptions<Options>(
  module: ModuleClass,
  name: PartName,
  options: Options,
  toPart: (options: Options) => Part | Promise<Part>,
): DynamicModule {
  return contribute(module, name, { useFactory: () => toPart(options) })
}

function withFactory<Options>(
  module: ModuleClass,
  name: PartName,
  { useFactory, inject = [], imports = [] }: SdAsyncOptions<Options>,
  toPart: (options: Options) => Part | Promise<Part>,
): DynamicModule {
  const make = async (...injected: never[]): Promise<Part> => toPart(await useFactory(...injected))
  return contribute(module, name, { useFactory: make, inject }, imports)
}

const asIs = <Options extends Part>(options: Options): Part => options

/** The service as a module: import it once, in the root module. It is global. */
export class SdModule {
  /** Creates the application from its options.
   *
   * @throws SdError `SD_INVALID` when Nest creates the application, or what a part of it failed with
   */
  static forRoot<Schema extends StandardSchemaV1 = StandardSchemaV1>(options: SdModuleOptions<Schema> = {}): DynamicModule {
    return withOptions(SdModule, 'SdModule', options as SdModuleOptions, asIs)
  }

  /** The same with options that a factory makes. */
  static forRootAsync(options: SdAsyncOptions<SdModuleOptions>): DynamicModule {
    return withFactory(SdModule, 'SdModule', options, asIs)
  }

  /**
   * Provides typed clients by their definition, `@Inject(stock) items: ReturnType<typeof stock>`, and classes such as those with `@ServiceClient`.
   * Decorated classes may be ordinary providers as well.
   *
   * @throws SdError `SD_INVALID` for something else
   */
  static forFeature(features: readonly SdFeature[]): DynamicModule {
    return { module: SdFeatureModule, providers: features.map(provideFeature), exports: [...features] }
  }
}

class SdFeatureModule {}

/** The instance and its registry, as a separate module. Import it once, in the root module. */
export class ServiceRegistryModule {
  /** Takes the service from the options, or from `@ServiceRegistry` on the root module. */
  static forRoot(options: ServiceRegistryModuleOptions = {}): DynamicModule {
    return withOptions(ServiceRegistryModule, 'ServiceRegistryModule', options, asIs)
  }

  /** The same with options that a factory makes. */
  static forRootAsync(options: SdAsyncOptions<ServiceRegistryModuleOptions>): DynamicModule {
    return withFactory(ServiceRegistryModule, 'ServiceRegistryModule', options, asIs)
  }
}

/** Live configuration as a module of its own: inject {@link SdConfig}, or use `@ConfigValue`. Import it once, in the root module. */
export class SdConfigModule {
  /** Takes the option `config` of `SdModule`: defaults < file < environment < center. */
  static forRoot<Schema extends StandardSchemaV1 = StandardSchemaV1>(options: AppConfigOptions<Schema> = {}): DynamicModule {
    return withOptions(SdConfigModule, 'SdConfigModule', options as AppConfigOptions, (config) => ({ config }))
  }

  /** The same with options that a factory makes. */
  static forRootAsync(options: SdAsyncOptions<AppConfigOptions>): DynamicModule {
    return withFactory(SdConfigModule, 'SdConfigModule', options, (config) => ({ config }))
  }
}

/** Live configuration from Nacos: defaults < file < environment < Nacos. Needs `@sd/config-nacos`. Import it once, in the root module. */
export class NacosConfigModule {
  /** Reads the data ids of the options, and those of classes with `@NacosConfig`. */
  static forRoot<Schema extends StandardSchemaV1 = StandardSchemaV1>(
    options: NacosConfigModuleOptions<Schema> = {},
  ): DynamicModule {
    return withOptions(NacosConfigModule, 'SdConfigModule', options as NacosConfigModuleOptions, toNacosPart)
  }

  /** The same with options that a factory makes. */
  static forRootAsync(options: SdAsyncOptions<NacosConfigModuleOptions>): DynamicModule {
    return withFactory(NacosConfigModule, 'SdConfigModule', options, toNacosPart)
  }
}

/** Metrics, served at a path. Import it once, in the root module. */
export class SdMetricsModule {
  /** Creates the metrics, or uses yours. */
  static forRoot(options: SdMetricsModuleOptions = {}): DynamicModule {
    return withOptions(SdMetricsModule, 'SdMetricsModule', options, toMetricsPart)
  }

  /** The same with options that a factory makes. */
  static forRootAsync(options: SdAsyncOptions<SdMetricsModuleOptions>): DynamicModule {
    return withFactory(SdMetricsModule, 'SdMetricsModule', options, toMetricsPart)
  }
}

for (const module of [SdModule, SdFeatureModule, ServiceRegistryModule, SdConfigModule, NacosConfigModule, SdMetricsModule]) {
  Module({})(module)
}
