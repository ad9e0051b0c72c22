export { createFileConfigSource } from './file-config.ts'
export type { FileConfigSourceOptions } from './options.ts'
