import type { InstanceSpec } from '@sd/core'

/** An instance with every field set. */
export const fullSpec: InstanceSpec = {
  service: 'orders',
  id: 'orders-1',
  address: '10.0.0.1',
  port: 8080,
  ports: { admin: 9090, 'grpc-web': 8081 },
  protocol: 'https',
  version: '1.2.3-rc.1',
  weight: 2.5,
  priority: 3,
  tags: ['eu', 'canary'],
  metadata: { team: 'a', empty: '' },
  locality: { region: 'eu-west-1', zone: 'eu-west-1a', subZone: 'rack-7' },
  health: { status: 'healthy', message: 'all good' },
  // A day, because nothing responds to the check if the backend runs it.
  healthCheck: { type: 'http', path: '/ready?full=1', intervalMs: 86_400_000, timeoutMs: 500 },
  needs: ['stock', 'users'],
}

/** Creates a plain instance. @param index distinguishes instances: it determines id, address and port */
export function plainSpec(service: string, index: number): InstanceSpec {
  return { service, id: `${service}-${index}`, address: `10.1.${index >> 8}.${index & 255}`, port: 8_000 + (index % 1_000) }
}

/** Names that break a careless adapter: separators, escapes and scripts of its backend. */
export const hostileNames: readonly string[] = [
  'a/b/c',
  '../../etc/passwd',
  'a%2Fb',
  'ümläut-日本語-🦄',
  'with space',
  'a.b-c_d:e@f',
  'quote\'"`\\',
  '?query=1&x#fragment',
  '__proto__',
  '{"json":true}',
]

/** Metadata that breaks a careless adapter. */
export const hostileMetadata: Readonly<Record<string, string>> = Object.freeze(
  Object.fromEntries([
    ['__proto__', 'polluted'],
    ['constructor', 'x'],
    ['with space/slash=equals', 'a=b;c'],
    ['日本語', '🦄 \u0000 \n \t'],
    ['long', 'x'.repeat(65_536)],
  ]),
)

/** Name of one of {@link configSamples}. */
export type ConfigSample =
  | 'empty'
  | 'blank'
  | 'outer white space'
  | 'CRLF'
  | 'Unicode'
  | 'byte order mark'
  | 'escapes'
  | 'something like JSON'
  | 'something like a number'

/** Configuration texts that a careless source changes. */
export const configSamples: Readonly<Record<ConfigSample, string>> = Object.freeze({
  empty: '',
  blank: ' ',
  'outer white space': '\n\t value  \n\n',
  CRLF: 'a=1\r\nb=2\r\n',
  Unicode: 'größe: 日本語 🦄 e\u0301 \u202e\u2028',
  'byte order mark': '\ufeffa: 1',
  escapes: `100% %41 +1&a=b;c #d "e" 'f' \\\\n \${g} <h/>`,
  'something like JSON': '{"a":null}',
  'something like a number': '007.10',
})
