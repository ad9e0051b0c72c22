export type { Coding } from './codings.ts'
export { type CompressParts, createCompressFilter } from './compress-filter.ts'
export type { CompressOptions, DecompressOptions } from './compress-options.ts'
