export { createEnvConfigSource } from './env-config.ts'
export type { EnvConfigSourceOptions, VariableNaming } from './options.ts'
