export {
  bind,
  breakerOf,
  CircuitBreaker,
  ConfigSection,
  ConfigValue,
  NacosConfig,
  NacosValue,
  OnConfigChange,
  RateLimit,
  Retry,
  ServiceCall,
  ServiceClient,
  ServiceDiscovery,
  ServiceRegistry,
  sent,
} from '@sd/decorators'
export type { SdClientDefinition, SdFeature } from './binding.ts'
export { SdDrain } from './core-module.ts'
export { SdHealthIndicator, type SdHealthResult } from './health-indicator.ts'
export { createLimitsGuard, type GuardDecision, type GuardedLimits, type GuardedRequest } from './limits-guard.ts'
export { NacosConfigModule, SdConfigModule, SdMetricsModule, SdModule, ServiceRegistryModule } from './modules.ts'
export type { NacosConfigModuleOptions, NacosModuleDataId } from './nacos-config.ts'
export type {
  SdAsyncOptions,
  SdLimits,
  SdLogging,
  SdMetricsModuleOptions,
  SdModuleOptions,
  SdTracing,
  ServiceRegistryModuleOptions,
} from './options.ts'
export { DeadlineAt } from './request-hooks.ts'
export type { FakeHandler, FakeRequest, FakeService, SdTestingOptions } from './test-parts.ts'
export { SdTesting, SdTestingModule } from './testing-module.ts'
export { SdApp, SdClient, SdConfig, SdDiscovery, SdRegistry } from './tokens.ts'
