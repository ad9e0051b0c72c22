import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { followGatewayDocument } from '@sd/gateway-document'
import { expect, onTestFinished, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parts } from './parts.ts'
import { environmentOf } from './testing/server-process.ts'

const folder = fileURLToPath(new URL('../deploy/', import.meta.url))
const read = (name: string): Promise<string> => readFile(`${folder}${name}`, 'utf8')

/** The document that all files use, as it is in effect. */
async function readDocument(environment: Record<string, string> = {}) {
  await using document = await followGatewayDocument({ file: `${folder}gateway.yaml`, parts, environment })
  expect(document.warnings).toEqual([])
  return document.current
}

/** Seconds that an end may take: the drain, and some time to deregister and close. */
async function longestEndSeconds(): Promise<number> {
  const { propagationDelayMs, timeoutMs } = (await readDocument()).drain
  return (propagationDelayMs + timeoutMs) / 1_000 + 5
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: never
}

test('the Kubernetes manifests fit the document', async () => {
  const documents = parseAllDocuments(await read('kubernetes.yaml'))
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
  const manifests = documents.map((document) => document.toJS() as Manifest)
  expect(manifests.map(({ kind }) => kind)).toEqual([
    'ServiceAccount',
    'Role',
    'RoleBinding',
    'Deployment',
    'Service',
    'PodDisruptionBudget',
  ])
  const specOf = (kind: string) => manifests.find((manifest) => manifest.kind === kind)?.spec as never as Record<string, never>
  const { template, selector } = specOf('Deployment') as never as {
    readonly selector: { readonly matchLabels: object }
    readonly template: {
      readonly metadata: { readonly labels: object }
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly [Container] }
    }
  }
  const [container] = template.spec.containers
  const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const { observe, table, registry } = await readDocument(environment)
  const portOf = (name: string): number | undefined => container.ports.find((port) => port.name === name)?.containerPort
  const edge = table.listeners[0]?.address ?? ''

  expect(registry).toBe('kubernetes:')
  expect(observe.address).toBe(`0.0.0.0:${portOf('observe')}`)
  expect(edge).toBe(`0.0.0.0:${portOf('http')}`)
  expect(specOf('Service')['ports']).toEqual([{ name: 'http', port: 80, targetPort: 'http' }])
  for (const [probe, path] of [
    [container.startupProbe, observe.livePath],
    [container.livenessProbe, observe.livePath],
    [container.readinessProbe, observe.readyPath],
  ] as const) {
    expect(probe.httpGet).toEqual({ path, port: 'observe' })
  }
  expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(await longestEndSeconds())
  expect(template.metadata.labels).toEqual(selector.matchLabels)
  expect(specOf('PodDisruptionBudget')['selector']).toEqual(selector)
  expect(specOf('Service')['selector']).toEqual(selector.matchLabels)
})

interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly startupProbe: { readonly httpGet: object }
  readonly livenessProbe: { readonly httpGet: object }
  readonly readinessProbe: { readonly httpGet: object }
}

test('the systemd unit gives the drain its time, and signals the parent alone', async () => {
  const lines = (await read('sd-gateway.service')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  for (const line of lines) expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Za-z]+=.*)$/)
  const unit = new Map(lines.map((line) => line.split(/=(.*)/s) as [string, string]))
  expect(Number(unit.get('TimeoutStopSec'))).toBeGreaterThanOrEqual(await longestEndSeconds())
  expect(unit.get('KillMode')).toBe('mixed')
  expect(unit.get('ExecReload')).toBe('/bin/kill -HUP $MAINPID')
  const flags = '--max-semi-space-size=4 --single-threaded-gc'
  expect(unit.get('ExecStart')).toBe(
    `/usr/bin/node ${flags} node_modules/@sd/gateway-server/dist/bin.js run /etc/sd/gateway.yaml`,
  )
  expect(unit.get('ExecStartPre')).toBe(unit.get('ExecStart')?.replace(' run ', ' check '))
  const environment = Object.fromEntries(
    lines.flatMap((line) =>
      line.startsWith('Environment=') ? [line.slice('Environment='.length).split(/=(.*)/s).slice(0, 2)] : [],
    ),
  )
  const [, ...given] = (unit.get('ExecStart') as string).split(' ')
  const program = given.slice(0, given.indexOf('run') - 1)
  // Node.js refuses some flags in NODE_OPTIONS.
  const { stdout } = await promisify(execFile)(process.execPath, [...program, '--version'], { env: environment })
  expect(stdout.trim()).toBe(process.version)
  // The compiler of JavaScript writes executable memory.
  expect(unit.has('MemoryDenyWriteExecute')).toBe(false)
})

interface Instruction {
  readonly name: string
  readonly value: string
}

function readContainerfile(text: string): readonly Instruction[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', value = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? []
      return { name, value }
    })
}

test('the Containerfile has one pinned base, no root, no shell around the program, and the ports of the document', async () => {
  const instructions = readContainerfile(await read('Containerfile'))
  const valuesOf = (name: string): readonly string[] =>
    instructions.filter((instruction) => instruction.name === name).map(({ value }) => value)
  expect(instructions.map(({ name }) => name)).toEqual([
    'FROM',
    'ENV',
    'WORKDIR',
    'COPY',
    'RUN',
    'USER',
    'EXPOSE',
    'ENTRYPOINT',
    'CMD',
  ])
  expect(valuesOf('FROM')).toEqual([expect.stringMatching(/^docker\.io\/library\/node:\d+-slim$/)])
  expect(valuesOf('USER')).toEqual(['node'])
  expect(valuesOf('RUN').join()).not.toMatch(/sudo|curl|token|password/i)
  const { observe, table } = await readDocument()
  const ports = [table.listeners[0]?.address, observe.address].map((address) => address?.split(':').at(-1))
  expect(valuesOf('EXPOSE')).toEqual([ports.join(' ')])
})

test('the command of the Containerfile runs in its folder: it checks the document and drains at SIGTERM', {
  timeout: 120_000,
}, async () => {
  const instructions = readContainerfile(await read('Containerfile'))
  const words = (name: string): readonly string[] => JSON.parse(instructions.find((one) => one.name === name)?.value ?? '[]')
  const root = await mkdtemp(join(tmpdir(), 'sd-gateway-container-'))
  onTestFinished(() => rm(root, { recursive: true }))
  // What npm ci would install: the package, whose program is not built here.
  const [node, ...rest] = [...words('ENTRYPOINT'), ...words('CMD')]
  const program = rest.find((word) => word.endsWith('bin.js')) ?? ''
  await mkdir(join(root, dirname(dirname(program))), { recursive: true })
  await symlink(fileURLToPath(new URL('.', import.meta.url)), join(root, dirname(program)))
  const document = (await read('gateway.yaml')).replace(/0\.0\.0\.0:8080/, '127.0.0.1:0').replace(/registry: .*/, '')
  await writeFile(join(root, 'gateway.yaml'), document.replace('propagationDelayMs: 5000', 'propagationDelayMs: 0'))
  const args = rest.map((word) =>
    word === program ? program.replace(/\.js$/, '.ts') : word === '/etc/sd/gateway.yaml' ? join(root, 'gateway.yaml') : word,
  )
  expect(node).toBe('node')
  const env = environmentOf({ NODE_ENV: 'production', OBSERVE_ADDRESS: '127.0.0.1:0' })
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk
    if (log.includes('"started"')) child.kill('SIGTERM')
  })
  expect((await exited)[0], log).toBe(0)
})
