import { randomUUID } from 'node:crypto'
import type { InstanceSpec } from '@sd/core'
import { type DnsServer, obtainServer, startDns } from '@sd/test-servers'
import { discovererContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createDnsRegistry } from './index.ts'

const dns = await obtainServer('dns', { own: true })

/** Lines of a zone that lists instances. */
function toRecords(specs: readonly InstanceSpec[]): readonly string[] {
  return specs.flatMap(({ service, id, address, port }) => [`_${service}._tcp SRV 0 1 ${port} ${id}`, `${id} A ${address}`])
}

describe.runIf(dns)('discoverer contract', () => {
  let server: DnsServer
  beforeAll(async () => {
    if (dns) server = await startDns(dns)
  })
  afterAll(() => server.close())

  const contract = discovererContract({
    eventuallyMs: 10_000,
    setup: async () => {
      const domain = `${randomUUID()}.test`
      await server.publish(domain, [])
      return {
        open: async () => createDnsRegistry({ servers: [`127.0.0.1:${server.port}`], domain, minTtlMs: 100 }),
        publish: (specs) => server.publish(domain, toRecords(specs)),
        dispose: async () => undefined,
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
})
