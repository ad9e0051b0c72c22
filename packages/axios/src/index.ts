export { type AxiosAdapterOptions, createAxiosAdapter, type ServiceCallOptions } from './adapter.ts'
