import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  freePort,
  obtainServer,
  type ServerName,
  type ServerSource,
  startConsul,
  startDns,
  startEtcd,
  startKubernetes,
  startNacos,
  startZooKeeper,
  type TestServer,
} from '@sd/test-servers'
import { afterEach, describe, expect, test } from 'vitest'
import { root } from './gate.ts'
import { compareOutput, shownOutput } from './snippet-rules.ts'

// The service and the caller of each backend's guide, run as printed but for the port of the service and the address of the server.

/** The server that a guide's programs use. */
interface Setting {
  readonly server: TestServer
  /** Words of the guide, and their replacements here. */
  readonly replace: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

interface Guide {
  readonly needs: readonly ServerName[]
  readonly start: (sources: readonly ServerSource[], servicePort: number, folder: string) => Promise<Setting>
}

const on = (printed: string, server: TestServer & { readonly port: number }): Setting => ({
  server,
  replace: { [printed]: `127.0.0.1:${server.port}` },
})

const guides: Readonly<Record<string, Guide>> = {
  consul: { needs: ['consul'], start: async ([consul]) => on('127.0.0.1:8500', await startConsul(consul as ServerSource)) },
  etcd: { needs: ['etcd'], start: async ([etcd]) => on('127.0.0.1:2379', await startEtcd(etcd as ServerSource)) },
  zookeeper: {
    needs: ['zookeeper'],
    start: async ([zookeeper]) => on('127.0.0.1:2181', await startZooKeeper(zookeeper as ServerSource)),
  },
  nacos: { needs: ['nacos'], start: async ([nacos]) => on('127.0.0.1:8848', await startNacos(nacos as ServerSource)) },
  kubernetes: {
    needs: ['kubernetes', 'etcd'],
    async start([kubernetes, etcd], _port, folder) {
      const server = await startKubernetes({ kubernetes, etcd } as { kubernetes: ServerSource; etcd: ServerSource })
      await server.call('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } })
      const file = join(folder, 'kubeconfig')
      await writeFile(file, server.kubeconfig())
      return { server, replace: {}, env: { KUBECONFIG: file } }
    },
  },
  dns: {
    needs: ['dns'],
    async start([dns], port) {
      const server = await startDns(dns as ServerSource)
      await server.publish('internal.example.com', [`_orders._tcp SRV 0 1 ${port} orders-1`, 'orders-1 A 127.0.0.1'])
      return on('10.0.0.2:53', server)
    },
  },
}

/** Inside this package, so that programs find every package of the workspace. */
const workFolder = fileURLToPath(new URL('../.snippets/guides', import.meta.url))
const hasAddress = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => !internal))
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

describe.each(Object.entries(guides))('the guide of %s', async (name, { needs, start }) => {
  const sources = await Promise.all(needs.map((server) => obtainServer(server, { own: true })))
  const found = sources.filter((source) => source !== undefined)
  // Kubernetes takes no loopback address.
  const isPossible = found.length === sources.length && (name !== 'kubernetes' || hasAddress)

  test.runIf(isPossible)('has a service and a caller that work as printed', { timeout: 180_000 }, async () => {
    await mkdir(workFolder, { recursive: true })
    const folder = await mkdtemp(join(workFolder, `${name}-`))
    const servicePort = await freePort()
    const { server, replace, env = {} } = await start(found, servicePort, folder)
    try {
      const text = await readFile(join(root, 'docs/guides', `${name}.md`), 'utf8')
      const programs = { ...replace, 'listen(8080': `listen(${servicePort}` }
      const service = run(await writeProgram(folder, 'service', text, programs), env)
      await service.printed(/^orders .*$/m)
      const code = await writeProgram(folder, 'caller', text, programs)
      const caller = run(code, env)
      expect([await caller.ended, caller.output()]).toEqual([0, expect.any(String)])
      expect(compareOutput(shownOutput(await readFile(code, 'utf8'), ''), caller.output())).toBeUndefined()
      service.child.kill('SIGTERM')
      // The server of the guide of DNS has no lifecycle: the signal ends it.
      expect([await service.ended, service.output()]).toEqual([name === 'dns' ? null : 0, expect.any(String)])
    } finally {
      await server.close()
      await rm(folder, { recursive: true })
    }
  })
})

/** Writes the block that follows "Save as `<name>.mts`". */
async function writeProgram(
  folder: string,
  name: string,
  text: string,
  replace: Readonly<Record<string, string>>,
): Promise<string> {
  const block = new RegExp(`Save as \`${name}\\.mts\`[^\\n]*:\\n+\`\`\`ts[^\\n]*\\n(.*?)^\`\`\`$`, 'ms').exec(text)?.[1]
  if (block === undefined) throw new Error(`The guide has no program to save as ${name}.mts`)
  let code = block
  for (const [printed, actual] of Object.entries(replace)) code = code.replaceAll(printed, actual)
  const file = join(folder, `${name}.mts`)
  await writeFile(file, code)
  return file
}

function run(file: string, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let output = ''
  const progress = new EventTarget()
  function collect(chunk: Buffer): void {
    output += chunk
    progress.dispatchEvent(new Event('output'))
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'close').then(([code]) => {
    progress.dispatchEvent(new Event('output'))
    return code as number | null
  })
  async function printed(pattern: RegExp): Promise<void> {
    while (!pattern.test(output)) {
      if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}:\n${output}`)
      await once(progress, 'output')
    }
  }
  return { child, ended, printed, output: () => output }
}
