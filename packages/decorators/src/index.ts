export { type Bindings, bind, unbind } from './bind.ts'
export {
  ConfigSection,
  ConfigValue,
  type ConfigValueOptions,
  NacosConfig,
  type NacosConfigOptions,
  NacosValue,
  nacosConfigOf,
  OnConfigChange,
} from './configuration.ts'
export {
  type AsyncMethod,
  type DualClassDecorator,
  type DualGetterDecorator,
  type DualMethodDecorator,
  needsBinding,
} from './decorator-kinds.ts'
export {
  breakerOf,
  CircuitBreaker,
  type CircuitBreakerDecoratorOptions,
  RateLimit,
  type RateLimitDecoratorOptions,
  Retry,
} from './policies.ts'
export {
  registryOptionsOf,
  ServiceCall,
  ServiceClient,
  ServiceDiscovery,
  ServiceRegistry,
  type ServiceRegistryOptions,
  sent,
  serviceOf,
} from './service.ts'
