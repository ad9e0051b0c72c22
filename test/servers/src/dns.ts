import { Resolver } from 'node:dns/promises'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { libraryPath } from './library-path.ts'
import { freePort, untilReady } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Options of {@link startDns}. */
export interface DnsOptions {
  /** Port on 127.0.0.1. @default a free one */
  readonly port?: number
  /** Whether a response includes the addresses of the names in it. @default true */
  readonly additional?: boolean
}

/** Options of publishing a zone. */
export interface ZoneOptions {
  /** Time to live of its records, in seconds. @default 1 */
  readonly ttl?: number
  /** Time to live of negative responses, in seconds. @default 1 */
  readonly negativeTtl?: number
}

/** BIND as the authoritative server of zones that a test publishes. */
export interface DnsServer extends TestServer {
  /** UDP and TCP port on 127.0.0.1. */
  readonly port: number
  /** Replaces a zone by lines of a zone file, such as `_orders._tcp SRV 0 1 8080 one`, and waits until it is served. */
  publish(zone: string, records: readonly string[], options?: ZoneOptions): Promise<void>
  /** Adds a zone whose file can't be read, so that every query for it is answered with SERVFAIL. */
  publishBroken(zone: string): Promise<void>
}

/** A zone that shows whether the server responds. */
const ready = 'ready.test'

/** Starts BIND's `named`. */
export async function startDns(source: ServerSource, options: DnsOptions = {}): Promise<DnsServer> {
  if (source.kind === 'address') throw new Error('the test must own this DNS server')
  const port = options.port ?? (await freePort())
  const zones = new Set<string>()
  let serial = 0
  let publishing: Promise<unknown> = Promise.resolve()

  async function writeZone(folder: string, zone: string, text: string): Promise<void> {
    await writeFile(join(folder, `${zone}.zone`), text)
    zones.add(zone)
    const names = [...zones].map((name) => `zone "${name}" { type primary; file "${name}.zone"; };\n`)
    await writeFile(join(folder, 'named.conf'), [configuration(folder, port, options), ...names].join(''))
  }

  const server = await launch({
    name: 'dns',
    source,
    env: libraryPath(source),
    async prepare(folder) {
      zones.clear()
      await writeZone(folder, ready, zoneText([], 1, {}))
    },
    args: (folder) => ['-g', '-n', '1', '-c', join(folder, 'named.conf')],
    probe: () => readSerial(port, ready),
  })

  async function reload(zone: string, text: string, isServed: () => Promise<void>): Promise<void> {
    const turn = publishing.then(async () => {
      await writeZone(server.folder, zone, text)
      await server.signal('SIGHUP')
      await untilReady(isServed, 10_000, () => false)
    })
    publishing = turn.catch(() => undefined)
    await turn
  }

  return {
    ...server,
    port,
    async publish(zone, records, zoneOptions = {}) {
      const next = ++serial
      await reload(zone, zoneText(records, next, zoneOptions), async () => {
        const served = await readSerial(port, zone)
        if (served < next) throw new Error(`zone ${zone} is still at ${served}`)
      })
    },
    publishBroken: (zone) =>
      reload(zone, 'not a zone file', async () => {
        const code = await readSerial(port, zone).then(
          () => 'NOERROR',
          (error: { code?: string }) => error.code,
        )
        if (code !== 'ESERVFAIL') throw new Error(`zone ${zone} responds with ${code}`)
      }),
  }
}

function configuration(folder: string, port: number, { additional = true }: DnsOptions): string {
  return `
options {
  directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  minimal-responses ${additional ? 'no' : 'yes'};
  notify no;
  max-records-per-type 0;
  allow-transfer { none; };
};
controls { };
`
}

function zoneText(records: readonly string[], serial: number, { ttl = 1, negativeTtl = 1 }: ZoneOptions): string {
  const head = [`$TTL ${ttl}`, `@ ${negativeTtl} SOA ns root ${serial} 60 60 60 ${negativeTtl}`, '@ NS ns', 'ns A 127.0.0.1']
  return `${[...head, ...records].join('\n')}\n`
}

async function readSerial(port: number, zone: string): Promise<number> {
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
  return (await resolver.resolveSoa(zone)).serial
}
