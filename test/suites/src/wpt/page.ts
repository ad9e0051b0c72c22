import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runInThisContext } from 'node:vm'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, createUndiciTransport } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import * as undici from 'undici'
import { createFixedSource } from '../origin-source.ts'

/** The globals of a page for web-platform-tests, with `client.fetch` as `fetch`: `node page.ts <checkout> <file> <port>`. */
const [root, file, port] = process.argv.slice(2) as [string, string, string]
const client = createServiceClient({
  discovery: createDiscovery({ source: createFixedSource('127.0.0.1', Number(port)), coalesceMs: 0 }),
  balancer: createRoundRobinBalancer(),
  transport: createUndiciTransport({ decompress: true }),
  timeoutMs: 60_000,
  retry: false,
})
const { Request, Response, Headers, FormData, setGlobalOrigin } = undici
const location = new URL(`http://web-platform.test:${port}/${file}`)
setGlobalOrigin(location)
const page = globalThis as unknown as Record<string, unknown>
Object.assign(page, { Request, Response, Headers, FormData })
for (const name of ['self', 'window']) page[name] = globalThis
page['location'] = location
page['GLOBAL'] = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false }
page['fetch'] =
  process.env['SD_SUITE_BARE'] === '1'
    ? undici.fetch
    : (input: string | URL | Request, init?: RequestInit) =>
        client.fetch(input instanceof Request ? (input as never) : resolveUrl(input), init)

/** Resolves a URL relative to the page. The client rejects an invalid one. */
function resolveUrl(input: unknown): string {
  return URL.parse(String(input), location.href)?.href ?? String(input)
}

interface TestResult {
  readonly name: string
  readonly status: number
  readonly message: string | null
}

const ignore = (error: unknown): void => {
  if (process.env['SD_SUITE_VERBOSE']) console.error(error)
}
process.on('uncaughtException', ignore)
process.on('unhandledRejection', ignore)
load(join(root, 'resources/testharness.js'))
const harness = page as unknown as {
  setup(options: object): void
  done(): void
  add_completion_callback(listener: (tests: readonly TestResult[]) => void): void
}
harness.add_completion_callback((tests) => {
  const lines = tests.map(({ name, status, message }) => JSON.stringify({ name, error: status === 0 ? undefined : `${message}` }))
  process.stdout.write(`${lines.join('\n')}\n`, () => process.exit())
})
harness.setup({ explicit_timeout: true })
const text = readFileSync(join(root, file), 'utf8')
for (const [, script] of text.matchAll(/^\/\/ META: script=(.*)$/gm)) {
  load(join(root, script?.startsWith('/') ? script : join(dirname(file), script as string)))
}
load(join(root, file))
harness.done()

function load(path: string): void {
  const source = readFileSync(path, 'utf8')
  runInThisContext(path.includes('.sub.') ? fillIn(source) : source, { filename: path })
}

/** Values that the server substitutes in files with `.sub.` in their name. */
function fillIn(source: string): string {
  return source.replaceAll(/\{\{([^}]*)\}\}/g, (_, name: string) => {
    if (name.startsWith('ports')) return port
    if (name.startsWith('location[scheme]')) return 'http'
    const sub = /^(?:domains|hosts)\[(.*?)\](?:\[(.*?)\])?/.exec(name)
    const base = name.startsWith('hosts[alt]') ? 'not-web-platform.test' : 'web-platform.test'
    const label = name.startsWith('hosts') ? sub?.[2] : sub?.[1]
    return label ? `${label}.${base}` : base
  })
}
