import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseRegistryUrl } from './index.ts'

test.each([
  ['memory:', { type: 'memory' }],
  [
    'consul://user@host:8500/?namespace=x&ttlMs=5000',
    { type: 'consul', servers: ['host:8500'], token: 'user', prefix: 'x-', ttlMs: 5_000 },
  ],
  ['consul+tls://:s%40cret@a:1,b:2', { type: 'consul', servers: ['https://a:1', 'https://b:2'], token: 's@cret' }],
  [
    'etcd://root:pa:ss@[::1]:2379/my/prefix?enabled=false',
    {
      type: 'etcd',
      servers: ['[::1]:2379'],
      credentials: { username: 'root', password: 'pa:ss' },
      prefix: '/my/prefix',
      enabled: false,
    },
  ],
  ['zookeeper://z1,z2,z3/?namespace=apps', { type: 'zookeeper', servers: ['z1', 'z2', 'z3'], prefix: '/apps' }],
  ['nacos://n:8848?namespace=dev&group=G', { type: 'nacos', servers: ['n:8848'], namespace: 'dev', group: 'G' }],
  ['kubernetes://orders', { type: 'kubernetes', namespace: 'orders' }],
  ['kubernetes:', { type: 'kubernetes' }],
  ['dns://10.0.0.2:53/svc.example.org', { type: 'dns', servers: ['10.0.0.2:53'], domain: 'svc.example.org' }],
  ['static:services.yaml', { type: 'static', file: 'services.yaml' }],
  [
    'static:///etc/services.yaml?refreshIntervalMs=1000',
    { type: 'static', file: '/etc/services.yaml', refreshIntervalMs: 1_000 },
  ],
  ['mine://h:1', { type: 'mine', servers: ['h:1'] }],
])('%s', (url, config) => {
  expect(parseRegistryUrl(url)).toEqual(config)
})

test.each([
  ['not a url', 'Invalid url: got'],
  ['localhost:8500', 'want the type in front, such as consul://localhost:8500'],
  ['10.0.0.1', 'want the type in front, such as consul://10.0.0.1'],
  ['consul', 'want consul://host:port'],
  ['memory', 'want memory:'],
  ['Consul://h', 'with the type in lower case'],
  ['etcd:/h:2379', 'want etcd://h:2379, with two slashes before the host'],
  ['consul://undefined', 'is the environment variable set?'],
  ['consul://h:1,null:2', 'is the environment variable set?'],
  ['memory://me@', 'this registry type does not take credentials'],
  ['consul://h/path', 'the path /path'],
  ['consul://h?token=a&token=b', 'Invalid token'],
  ['consul://h?type=x', 'Invalid type'],
  ['consul://a%@h', 'Invalid url login'],
  ['etcd+tls://h?tls.ca=/does/not/exist', 'Invalid tls.ca'],
])('%s is refused', (url, message) => {
  expect(() => parseRegistryUrl(url)).toThrow(message)
})

test('no message contains the password', () => {
  for (const url of [
    'static://user:hidden@x',
    'consul://user:hidden@h/path',
    'x y://user:hidden@h',
    'etcd://u:hidden%@h',
    'etcd://u:hidden/x@h',
    'etcd://u:hidden?x@h',
  ]) {
    let message = ''
    try {
      parseRegistryUrl(url)
    } catch (error) {
      message = String(error)
    }
    expect(message).toMatch(/Invalid/)
    expect(message).not.toContain('hidden')
  }
})

test('certificates are read from files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sd-url-'))
  await writeFile(join(folder, 'ca.pem'), 'PEM')
  const config = parseRegistryUrl(`etcd+tls://h?tls.ca=${encodeURIComponent(join(folder, 'ca.pem'))}&tls.serverName=etcd`)
  expect(config['tls']).toEqual({ ca: { file: join(folder, 'ca.pem') }, serverName: 'etcd' })
  await rm(folder, { recursive: true })
})
