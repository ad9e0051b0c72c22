import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createNacosConfigSource } from '@sd/config-nacos'
import { createNacosRegistry } from '@sd/registry-nacos'
import { eventually } from '@sd/testing'

// Our adapters and the Java client of Nacos on one server, each reading what the other writes:
// SD_NACOS=127.0.0.1:8848 node src/nacos-java/run.ts
const server = process.env['SD_NACOS']
if (!server) {
  console.error('usage: SD_NACOS=<host:port of a Nacos server without login> node src/nacos-java/run.ts')
  process.exit(2)
}
const rounds = Number(process.env['SD_ROUNDS'] ?? 30)
const limitMs = 15_000
const folder = await mkdtemp(join(tmpdir(), 'sd-nacos-java-'))
const namespace = process.env['SD_NACOS_NAMESPACE'] ?? randomUUID()

/** The Java client, as a process that takes commands. */
interface Peer {
  /** Runs a command. @returns its result @throws Error what Java throws */
  run(...fields: readonly string[]): Promise<string>
  /** What it has seen, with the time by `performance.now()`. */
  readonly seen: { readonly kind: string; readonly text: string; readonly at: number }[]
  close(): void
}

async function startPeer(): Promise<Peer> {
  await cp(fileURLToPath(new URL('.', import.meta.url)), folder, { recursive: true })
  const maven = ['--batch-mode', '--quiet', 'compile', 'dependency:copy-dependencies', '-DoutputDirectory=target/lib']
  await promisify(execFile)('mvn', maven, { cwd: folder })
  const classes = ['target/classes', 'target/lib/*'].map((path) => join(folder, path)).join(':')
  const java = [`-Duser.home=${folder}`, '-cp', classes, 'Peer', server as string, namespace]
  const child = spawn('java', java, { stdio: ['pipe', 'pipe', 'inherit'] })
  const seen: Peer['seen'] = []
  const waiting: { resolve(text: string): void; reject(error: Error): void }[] = []
  const ready = new Promise<void>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const [kind = '', text = ''] = line.split('\t')
      if (kind === 'ready') resolve()
      else if (kind === 'done') waiting.shift()?.resolve(text)
      else if (kind === 'failed') waiting.shift()?.reject(new Error(text))
      else seen.push({ kind, text, at: performance.now() })
    })
  })
  await ready
  return {
    seen,
    run: (...fields) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.stdin.write(`${fields.join('\t')}\n`)
      }),
    close: () => child.stdin.end(),
  }
}

function until(what: string, check: () => unknown): Promise<void> {
  return eventually(async () => assert.ok(await check(), what), limitMs)
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN
}

const java = await startPeer()
const options = { servers: [server], namespace, api: 'grpc' } as const
const registry = createNacosRegistry(options)
const writer = createNacosRegistry(options)
const source = createNacosConfigSource({ ...options, dataIds: ['shared.yaml'], refreshIntervalMs: 600_000 })
const results: string[] = []
const passed = (text: string): void => {
  results.push(text)
  console.log(`ok ${text}`)
}

try {
  let ports: readonly number[] = []
  let portsAt = 0
  void (async () => {
    for await (const { value } of registry.watch('orders')) {
      ports = value?.instances.map(({ port }) => port) ?? []
      portsAt = performance.now()
    }
  })()
  await java.run('subscribe', 'orders')

  await java.run('register', 'orders', '10.0.0.1', '81')
  await until('Java is seen', () => ports.includes(81))
  const [ofJava] = (await registry.getInstances('orders')).instances
  assert.deepEqual([ofJava?.address, ofJava?.port, ofJava?.weight, ofJava?.version], ['10.0.0.1', 81, 2.5, 'java'])
  passed('an instance of the Java client is found, with weight and metadata')

  const registrations = await Promise.all(
    [82, 83].map((port) => writer.register({ service: 'orders', address: '10.0.0.2', port, version: 'ours', weight: 3 })),
  )
  const listed = '10.0.0.1:81 2.5 true java, 10.0.0.2:82 3.0 true ours, 10.0.0.2:83 3.0 true ours'
  await until('ours are listed by Java', async () => (await java.run('list', 'orders')) === listed)
  await until('ours are pushed to Java', () => java.seen.at(-1)?.text === listed)
  passed('instances of ours are found by the Java client, by list and by push')

  await registrations[0]?.deregister()
  await until('a removal reaches Java', () => java.seen.at(-1)?.text.includes(':82') === false)
  await java.run('deregister', 'orders', '10.0.0.1', '81')
  await until('a removal by Java reaches us', () => ports.length === 1 && ports[0] === 83)
  await registrations[1]?.deregister()
  passed('removals reach the other side, one instance of several too')

  const ours: number[] = []
  const javas: number[] = []
  for (let round = 0; round < rounds; round++) {
    const port = 1_000 + round
    const startedAt = performance.now()
    const registration = await writer.register({ service: 'orders', address: '10.0.0.3', port })
    await until('a registration reaches both', () => ports.includes(port) && java.seen.at(-1)?.text.includes(`:${port} `))
    ours.push(portsAt - startedAt)
    javas.push((java.seen.at(-1)?.at ?? 0) - startedAt)
    await registration.deregister()
    await until('a removal reaches both', () => ports.length === 0 && java.seen.at(-1)?.text === '')
  }
  const times = [0.5, 0.99].map((share) => `${quantile(ours, share).toFixed(0)} / ${quantile(javas, share).toFixed(0)} ms`)
  passed(`propagation of a registration, ours / Java: P50 ${times[0]}, P99 ${times[1]} of ${rounds}`)

  let text: string | undefined
  let textAt = 0
  void (async () => {
    for await (const { value } of source.watch()) {
      text = value?.entries[0]?.content
      textAt = performance.now()
    }
  })()
  await java.run('listen', 'shared.yaml')
  await java.run('publish', 'shared.yaml', 'a: java')
  await until('a text of Java is pushed', () => text === 'a: java')
  const written = await source.put('shared.yaml', 'a: ours')
  await until('a text of ours is pushed to Java', () => java.seen.at(-1)?.text === 'a: ours')
  assert.equal(await java.run('read', 'shared.yaml'), 'a: ours')
  passed('texts reach the other side, by read and by push')

  const md5 = createHash('md5').update('a: ours').digest('hex')
  if ((await java.run('cas', 'shared.yaml', 'a: second', '0'.repeat(32))) === 'true') {
    passed('(the server does not compare MD5 sums: compare-and-set is not tried)')
  } else {
    assert.equal(await java.run('cas', 'shared.yaml', 'a: third', md5), 'true')
    await assert.rejects(source.put('shared.yaml', 'a: fourth', { ifRevision: written.revision }), { code: 'SD_CONFLICT' })
    const third = createHash('md5').update('a: third').digest('hex')
    await source.put('shared.yaml', 'a: fifth', { ifRevision: third })
    assert.equal(await java.run('cas', 'shared.yaml', 'a: sixth', md5), 'false')
    passed('compare-and-set: each side is refused after a write of the other')
  }
  const texts: { readonly ours: number[]; readonly java: number[] } = { ours: [], java: [] }
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    await source.put('shared.yaml', `round: ${round}`)
    await until('a text reaches both', () => text === `round: ${round}` && java.seen.at(-1)?.text === text)
    texts.ours.push(textAt - startedAt)
    texts.java.push((java.seen.at(-1)?.at ?? 0) - startedAt)
  }
  const textTimes = [0.5, 0.99].map(
    (share) => `${quantile(texts.ours, share).toFixed(0)} / ${quantile(texts.java, share).toFixed(0)} ms`,
  )
  passed(`propagation of a text, ours / Java: P50 ${textTimes[0]}, P99 ${textTimes[1]} of ${rounds}`)
  console.log(`${results.length} passed`)
} finally {
  java.close()
  await Promise.all([registry.close(), writer.close(), source.close()])
  await rm(folder, { recursive: true, force: true })
}
