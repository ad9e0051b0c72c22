export { createDnsRegistry } from './dns-registry.ts'
export type { AddressFamily, DnsRecords, DnsRegistryOptions, DnsTransport } from './options.ts'
