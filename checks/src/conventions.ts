import { isDeepStrictEqual } from 'node:util'
import type { Manifest, Package } from './workspace.ts'

const scripts = {
  build: 'tsc -p . --noEmit false --noCheck --noResolve --rootDir src --outDir dist',
  types: 'tsc -p .',
  test: 'vitest run --config ../../vitest.package.ts',
}
/** Scripts of packages that build more than code: the page of the dashboard, which has the types of browsers. */
const ownScripts: Readonly<Record<string, Partial<typeof scripts>>> = {
  dashboard: { build: `${scripts.build} && node web/build.mjs dist/web`, types: `${scripts.types} && tsc -p web` },
}
const packageExports = { '.': './src/index.ts', './package.json': './package.json' }
const publishConfig = {
  access: 'public',
  // For resolvers that do not know exports: moduleResolution node of TypeScript 5, and older bundlers.
  main: './dist/index.js',
  types: './dist/index.d.ts',
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
}
/** Files that a package publishes besides its code. */
const ownFiles: Readonly<Record<string, readonly string[]>> = {
  cli: ['schemas', 'templates'],
  'gateway-document': ['schema.json'],
  'gateway-server': ['deploy'],
  'metrics-prometheus': ['dashboard.json', 'rules'],
}
const sections = ['Install', 'Example', 'Options', 'Semantics and limits']
const longestSource = 400
const longestTest = 600

/** Building blocks that every package may depend on besides core. They depend only on core, and on kits to their right. */
const kits: readonly string[] = [
  '@sd/adapter-kit',
  '@sd/breaker-kit',
  '@sd/factory-kit',
  '@sd/rate-limit-kit',
  '@sd/metrics-kit',
  '@sd/grpc-status',
  '@sd/tls',
]

/** Other allowed dependencies, by package. */
const allowedDependencies: Readonly<Record<string, readonly string[]>> = {
  // Optional peers, loaded on demand.
  registry: ['consul', 'dns', 'etcd', 'failover', 'kubernetes', 'memory', 'nacos', 'static', 'zookeeper'].map(
    (type) => `@sd/registry-${type}`,
  ),
  lock: ['@sd/lock-consul', '@sd/lock-etcd'],
  'config-center': [
    '@sd/config',
    '@sd/config-history',
    ...['consul', 'env', 'etcd', 'file', 'kubernetes', 'nacos', 'zookeeper'].map((type) => `@sd/config-${type}`),
  ],
  app: [
    '@sd/admin',
    '@sd/balancer-p2c',
    '@sd/breaker-cockatiel',
    '@sd/client',
    '@sd/concurrency-limit',
    '@sd/config',
    '@sd/config-env',
    '@sd/config-file',
    '@sd/discovery',
    '@sd/health',
    '@sd/hedge',
    '@sd/lifecycle',
    '@sd/outlier-detection',
    '@sd/rate-limit-memory',
    '@sd/registry',
    '@sd/registry-failover',
    '@sd/registry-memory',
    '@sd/retry',
  ],
  axios: ['@sd/client'],
  cli: [
    '@sd/balancer-p2c',
    '@sd/client',
    '@sd/config',
    '@sd/config-center',
    '@sd/config-crypto',
    '@sd/config-history',
    '@sd/dashboard',
    '@sd/discovery',
    '@sd/fleet',
    '@sd/lock',
    '@sd/operations',
    '@sd/registry',
  ],
  decorators: ['@sd/client', '@sd/config', '@sd/discovery', '@sd/operations'],
  discovery: ['@sd/health'],
  fastify: ['@sd/app'],
  dashboard: ['@sd/admin', '@sd/config', '@sd/fleet'],
  fleet: ['@sd/admin'],
  gateway: ['@sd/client'],
  'gateway-compress': ['@sd/gateway'],
  'gateway-ip-access': ['@sd/gateway'],
  'gateway-auth-jwt': ['@sd/gateway'],
  'gateway-auth-forward': ['@sd/gateway'],
  'gateway-cache': ['@sd/gateway', '@sd/http-cache'],
  'gateway-cors': ['@sd/gateway'],
  'gateway-grpc': ['@sd/gateway'],
  'gateway-grpc-json': ['@sd/gateway'],
  'gateway-websocket': ['@sd/gateway'],
  'gateway-document': ['@sd/client', '@sd/config', '@sd/config-file', '@sd/gateway'],
  'gateway-fault-injection': ['@sd/fault-injection', '@sd/gateway'],
  'gateway-rate-limit': ['@sd/gateway'],
  'gateway-tcp': ['@sd/client', '@sd/gateway'],
  'gateway-udp': ['@sd/client', '@sd/gateway'],
  'gateway-server': [
    '@sd/admin',
    '@sd/balancer-consistent-hash',
    '@sd/balancer-least-active',
    '@sd/balancer-p2c',
    '@sd/balancer-random',
    '@sd/balancer-round-robin',
    '@sd/balancer-weighted-round-robin',
    '@sd/breaker-cockatiel',
    '@sd/client',
    '@sd/concurrency-limit',
    '@sd/discovery',
    '@sd/gateway',
    '@sd/gateway-auth-forward',
    '@sd/gateway-auth-jwt',
    '@sd/gateway-cache',
    '@sd/gateway-compress',
    '@sd/gateway-cors',
    '@sd/gateway-document',
    '@sd/gateway-fault-injection',
    '@sd/gateway-grpc',
    '@sd/gateway-ip-access',
    '@sd/gateway-rate-limit',
    '@sd/gateway-tcp',
    '@sd/gateway-udp',
    '@sd/gateway-websocket',
    '@sd/hedge',
    '@sd/lifecycle',
    '@sd/logging',
    '@sd/metrics-prometheus',
    '@sd/outlier-detection',
    '@sd/rate-limit-memory',
    '@sd/registry',
    '@sd/registry-memory',
    '@sd/retry',
  ],
  'logging-pino': ['@sd/logging'],
  nestjs: [
    '@sd/app',
    '@sd/client',
    '@sd/config',
    // Optional peers, loaded on demand.
    '@sd/config-nacos',
    '@sd/decorators',
    '@sd/discovery',
    '@sd/lifecycle',
    '@sd/metrics-prometheus',
    '@sd/registry-memory',
  ],
  operations: ['@sd/client'],
  'registry-etcd': ['@sd/connection-etcd'],
  'lock-etcd': ['@sd/connection-etcd'],
  'registry-consul': ['@sd/connection-consul'],
  'lock-consul': ['@sd/connection-consul'],
  'config-history': ['@sd/config'],
  'config-etcd': ['@sd/connection-etcd'],
  'config-consul': ['@sd/connection-consul'],
  'registry-zookeeper': ['@sd/connection-zookeeper'],
  'config-zookeeper': ['@sd/connection-zookeeper'],
  'registry-nacos': ['@sd/connection-nacos'],
  'config-nacos': ['@sd/connection-nacos'],
  'registry-kubernetes': ['@sd/connection-kubernetes'],
  'config-kubernetes': ['@sd/connection-kubernetes'],
}

/** Violations of the conventions in CONTRIBUTING.md by a package, one line each. */
export function checkConventions(found: Package, catalog: ReadonlySet<string>): readonly string[] {
  const problems = [...checkManifest(found), ...checkDependencies(found, catalog), ...checkReadme(found), ...checkSources(found)]
  return problems.map((problem) => `packages/${found.folder}: ${problem}`)
}

function checkManifest({ folder, manifest }: Package): string[] {
  const wanted: Partial<Record<keyof Manifest, unknown>> = {
    name: `@sd/${folder}`,
    license: 'MIT',
    type: 'module',
    sideEffects: false,
    engines: { node: '>=22.19' },
    files: ['dist', '!**/*.test.*', '!**/testing', ...(ownFiles[folder] ?? [])],
    exports: packageExports,
    publishConfig,
    scripts: { ...scripts, ...ownScripts[folder] },
  }
  const problems = Object.entries(wanted)
    .filter(([key, value]) => !isDeepStrictEqual(manifest[key as keyof Manifest], value))
    .map(
      ([key, value]) =>
        `package.json: ${key} is ${JSON.stringify(manifest[key as keyof Manifest])}, want ${JSON.stringify(value)}`,
    )
  if (!manifest.description) problems.push('package.json: no description')
  if (manifest.private) problems.push('package.json: private packages belong to test, bench, checks or examples')
  return problems
}

function checkDependencies({ folder, manifest }: Package, catalog: ReadonlySet<string>): string[] {
  const { dependencies = {}, devDependencies = {}, peerDependencies = {} } = manifest
  const problems: string[] = []
  if (folder === 'core') {
    if (Object.keys({ ...dependencies, ...peerDependencies }).length > 0) problems.push('core must not have dependencies')
  } else {
    if (peerDependencies['@sd/core'] !== 'workspace:^1.0.0')
      problems.push('package.json: want the peer @sd/core at workspace:^1.0.0')
    if (devDependencies['@sd/core'] !== 'workspace:^')
      problems.push('package.json: want the devDependency @sd/core at workspace:^')
  }
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    if (catalog.has(name) && range !== 'catalog:') problems.push(`package.json: ${name} is in the catalog: want "catalog:"`)
  }
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    const isOther = name.startsWith('@sd/') && name !== '@sd/core'
    const own = kits.indexOf(`@sd/${folder}`)
    const isKit = kits.indexOf(name) > own
    if (isOther && !isKit && !allowedDependencies[folder]?.includes(name))
      problems.push(`package.json: depends on ${name}, want only @sd/core and kits`)
  }
  return problems
}

function checkReadme({ folder, readme, sources }: Package): string[] {
  const problems: string[] = []
  if (!readme.startsWith(`# @sd/${folder}\n\n`)) problems.push(`README.md: want the title "# @sd/${folder}" and a line below it`)
  const found = [...readme.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
  if (!isDeepStrictEqual(found, sections))
    problems.push(`README.md: sections are ${found.join(', ')}, want ${sections.join(', ')}`)
  // An example that needs a server can't run in a check, so it is only compiled.
  const needsServer = [...sources.keys()].some((file) => file.endsWith('.integration.test.ts'))
  const block = needsServer ? /^## Example\n[^#]*^```ts( no-run)?$/m : /^## Example\n[^#]*^```ts$/m
  if (!block.test(readme)) problems.push('README.md: want a ```ts block under Example')
  return problems
}

function checkSources({ sources, manifest }: Package): string[] {
  const problems: string[] = []
  const { dependencies = {}, peerDependencies = {} } = manifest
  const known = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  if (!sources.has('src/index.ts')) problems.push('src/index.ts is missing')
  for (const [file, text] of sources) {
    const isTest = file.endsWith('.test.ts') || file.includes('/testing/')
    const lines = text.split('\n').length
    const longest = isTest ? longestTest : longestSource
    if (lines > longest) problems.push(`${file} has ${lines} lines, want at most ${longest}: split it by subject`)
    if (!/^[a-z0-9-]+(\.test|\.integration\.test)?\.ts$/.test(file.slice(file.lastIndexOf('/') + 1)))
      problems.push(`${file}: want kebab-case`)
    if (isTest) continue
    for (const [, specifier = ''] of text.matchAll(/from '([^'.][^']*)'/g)) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      if (!name.startsWith('node:') && !known.has(name)) problems.push(`${file} imports ${name}, which is not declared`)
    }
  }
  return problems
}
