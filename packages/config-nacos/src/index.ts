export { createNacosConfigSource, type NacosConfigSource } from './nacos-config-source.ts'
export type { NacosExtras, NacosGrayOptions, NacosHistoryOptions } from './nacos-extras.ts'
export type {
  NacosConfigSourceOptions,
  NacosDataId,
  NacosEncryptedText,
  NacosEncryption,
  NacosPlainText,
  NacosSealedText,
} from './options.ts'
export type { NacosTextChange } from './text-history.ts'
