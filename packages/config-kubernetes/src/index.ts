export { createKubernetesConfigSource } from './kubernetes-config.ts'
export type { KubernetesConfigSourceOptions, ObjectChoice } from './options.ts'
