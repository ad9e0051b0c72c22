import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { tarballOf } from './tarballs.ts'
import type { Package } from './workspace.ts'

/** Runtimes that the packages promise to run on: npm packages that bring them. */
const runtimes: Readonly<Record<string, string>> = {
  node22: 'node@22.19.0',
  node24: 'node@24.21.0',
  node26: 'node@26.10.0',
  bun: 'bun@1.4.5',
}
const runtimeFolder = join(root, '.cache', 'runtimes')

/** The packages that a user of two adapters installs, and what may come along with them. */
const chosen = ['core', 'registry-memory', 'balancer-round-robin']
const withClient = [...chosen, 'discovery', 'client']
const comesAlong: readonly string[] = ['@standard-schema', 'eventsource-parser', 'semver', 'undici']

const adaptersProgram = `import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createEndpoint, type ServiceInstance } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'

const registry = createMemoryRegistry()
for (const port of [1, 2]) await registry.register({ service: 'orders', address: '127.0.0.1', port })
const { instances } = await registry.getInstances('orders')
const endpoints = instances.map((instance: ServiceInstance) => createEndpoint(instance))
const view = { endpoints, weights: Float64Array.of(1, 1), epoch: 1 }
const picker = createRoundRobinBalancer().createPicker(view)
const picked = new Set([picker.pick({})?.instance.port, picker.pick({})?.instance.port])
if (picked.size !== 2) throw new Error('round robin did not alternate')
await registry.close()
`

const clientProgram = `import { createServer } from 'node:http'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'

const server = createServer((request, response) => void response.end(JSON.stringify({ path: request.url })))
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()))
const address = server.address()
const port = typeof address === 'object' && address ? address.port : 0
const registry = createMemoryRegistry()
await registry.register({ service: 'orders', address: '127.0.0.1', port: 9, id: 'a-dead' })
await registry.register({ service: 'orders', address: '127.0.0.1', port, id: 'b-alive' })
const discovery = createDiscovery({ source: registry })
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
for (let index = 0; index < 4; index++) {
  const response = await client.get('orders', '/a')
  if (JSON.stringify(await response.json()) !== '{"path":"/a"}') throw new Error('wrong answer')
}
await client.close()
await discovery.close()
await registry.close()
server.close()
server.closeAllConnections()
`

/** Every registry on its SDK: it must compile with the strictest settings, load, and say that nobody is there. */
const registries = [
  ...['core', 'registry', 'connection-consul', 'connection-etcd', 'lock-consul', 'lock-etcd', 'registry-consul', 'registry-dns'],
  ...['registry-etcd', 'registry-failover', 'registry-kubernetes', 'registry-memory', 'registry-nacos', 'registry-static'],
  'registry-zookeeper',
]
const registriesProgram = `import { SdError } from '@sd/core'
import { createConsulLock } from '@sd/lock-consul'
import { createEtcdLock } from '@sd/lock-etcd'
import { createRegistry } from '@sd/registry'
import { createConsulRegistry } from '@sd/registry-consul'
import { createDnsRegistry } from '@sd/registry-dns'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createFailoverRegistry } from '@sd/registry-failover'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { createNacosRegistry } from '@sd/registry-nacos'
import { createZooKeeperRegistry } from '@sd/registry-zookeeper'

const endpoints = ['127.0.0.1:9']
const operationTimeoutMs = 1_000
const kubeconfig = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'a',
  clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:9' } }],
  users: [{ name: 'a', user: { token: 'a' } }],
  contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
})
const onNode = 'Bun' in globalThis ? [] : [createKubernetesRegistry({ kubeconfig, operationTimeoutMs })]
const sources = [
  ...onNode,
  createConsulRegistry({ endpoints, operationTimeoutMs }),
  createDnsRegistry({ servers: endpoints, domain: 'example.org', timeoutMs: 500, operationTimeoutMs }),
  createEtcdRegistry({ endpoints, operationTimeoutMs }),
  createFailoverRegistry({ members: [{ registry: createEtcdRegistry({ endpoints, operationTimeoutMs }) }], operationTimeoutMs }),
  createNacosRegistry({ endpoints, operationTimeoutMs }),
  createZooKeeperRegistry({ endpoints, operationTimeoutMs }),
  await createRegistry('consul://127.0.0.1:9?operationTimeoutMs=1000'),
]
for (const source of sources) {
  const error = await source.getInstances('orders').then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (!SdError.isInstance(error) || !error.retryable) throw new Error(\`\${source.name}: \${String(error)}\`)
  await source.close()
}
for (const lock of [createConsulLock({ endpoints, operationTimeoutMs }), createEtcdLock({ endpoints, operationTimeoutMs })]) {
  const holder = await lock.holder('a').catch((caught: unknown) => caught)
  if (!SdError.isInstance(holder)) throw new Error('a lock without a backend')
  await lock.close()
}
`

/**
 * Installs packed packages with npm into empty projects outside the workspace, compiles a program against them and runs it on every
 * runtime that they promise.
 */
export async function checkInstall(packages: readonly Package[]): Promise<GateResult> {
  const problems: string[] = []
  const binaries = await installRuntimes()
  const cases = {
    adapters: { folders: chosen, program: adaptersProgram },
    client: { folders: withClient, program: clientProgram },
    registries: { folders: registries, program: registriesProgram },
  }
  let checks = 0
  for (const [name, { folders, program }] of Object.entries(cases)) {
    const project = await createProject(
      packages.filter(({ folder }) => folders.includes(folder)),
      program,
    )
    const stray = (await installedPackages(project)).filter((found) => !comesAlong.includes(found) && !found.startsWith('@sd/'))
    // What an SDK brings along is not ours to say.
    if (name !== 'registries') checks++
    if (
      name === 'adapters' ? (await installedPackages(project)).length !== chosen.length : name === 'client' && stray.length > 0
    ) {
      problems.push(`${name}: node_modules has more than was asked for: ${(await installedPackages(project)).join(', ')}`)
    }
    checks++
    const compiled = await runCommand('tsc', ['-p', '.'], { cwd: project })
    if (compiled.code !== 0) problems.push(`${name}: does not compile:\n${compiled.output}`)
    for (const [runtime, binary] of Object.entries(binaries)) {
      checks++
      const { code, output } = await runCommand(binary, ['program.js'], { cwd: project, timeoutMs: 60_000 })
      if (code !== 0) problems.push(`${name}: fails on ${runtime} with ${code}:\n${output}`)
    }
    await rm(project, { recursive: true })
  }
  return { passed: checks - problems.length, problems }
}

async function createProject(packages: readonly Package[], program: string): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'sd-install-'))
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  await writeFile(join(project, 'program.ts'), program)
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(userConfig))
  const installed = await runCommand('npm', ['install', '--no-audit', '--no-fund', ...packages.map(tarballOf)], { cwd: project })
  if (installed.code !== 0) throw new Error(`npm install failed:\n${installed.output}`)
  return project
}

// A user's settings, as strict as they get, but without our own type packages: Node's come from the workspace.
const userConfig = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  },
  files: ['program.ts'],
}

async function installedPackages(project: string): Promise<readonly string[]> {
  const modules = join(project, 'node_modules')
  const names = (await readdir(modules)).filter((name) => !name.startsWith('.'))
  const nested = await Promise.all(
    names.map(async (name) => (name === '@sd' ? (await readdir(join(modules, name))).map((one) => `@sd/${one}`) : [name])),
  )
  return nested.flat().sort()
}

/** Installs the runtimes once; later runs find them. @returns their binaries by name */
async function installRuntimes(): Promise<Readonly<Record<string, string>>> {
  const binaries: Record<string, string> = {}
  for (const [name, spec] of Object.entries(runtimes)) {
    const folder = join(runtimeFolder, spec.replace('@', '-'))
    const binary = join(folder, 'node_modules', '.bin', spec.startsWith('bun') ? 'bun' : 'node')
    binaries[name] = binary
    if (existsSync(binary)) continue
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), '{"private":true}')
    const { code, output } = await runCommand('npm', ['install', '--no-audit', '--no-fund', spec], { cwd: folder })
    if (code !== 0) throw new Error(`${spec} could not be installed:\n${output}`)
  }
  return binaries
}
