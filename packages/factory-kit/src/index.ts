export {
  type AdapterPackage,
  type BackendFactory,
  type BackendKind,
  type BackendType,
  type BackendTypes,
  type Composition,
  createBackendFactory,
} from './backend-factory.ts'
export type { BackendConfig, UrlKind, UrlMapping, UrlPath } from './backend-url.ts'
