export { createKubernetesRegistry } from './kubernetes-registry.ts'
export type { KubernetesRegistryOptions } from './options.ts'
