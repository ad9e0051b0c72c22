export { type CreateConfigSourceOptions, createConfigSource, createWritableConfigSource } from './create-config-source.ts'
export { type OpenConfigHistoryOptions, type OpenedConfigHistory, openConfigHistory } from './open-config-history.ts'
export {
  type ConfigSourceConfig,
  type ConfigSourceType,
  type ConfigSourceTypes,
  parseConfigSourceUrl,
} from './source-types.ts'
