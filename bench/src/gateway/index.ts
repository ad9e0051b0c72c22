import { existsSync } from 'node:fs'
import type { Finding } from '../report.ts'

// Loaded on demand, so that a part does not need what the others need.
const parts: Readonly<Record<string, () => Promise<readonly Finding[]>>> = {
  http: async () => (await import('./http.ts')).benchHttp(),
  websocket: async () => (await import('./streams.ts')).benchWebSocket(),
  tcp: async () => (await import('./streams.ts')).benchTcp(),
  udp: async () => (await import('./streams.ts')).benchUdp(),
  grpc: async () => (await import('./grpc.ts')).benchGrpc(),
}

/** Names of the parts of {@link benchGateway}. */
export const gatewayParts: readonly string[] = Object.keys(parts)

/** Measures the gateway beside other proxies. @param only names of parts @default all */
export async function benchGateway(only: readonly string[] = gatewayParts): Promise<readonly Finding[]> {
  if (!existsSync('/proc/self/schedstat')) return [{ subject: 'gateway', measured: 'not measured: it needs Linux' }]
  const findings: Finding[] = []
  for (const name of only) {
    process.stderr.write(`gateway ${name} …\n`)
    findings.push(...(await (parts[name] as () => Promise<readonly Finding[]>)()))
  }
  return findings
}
