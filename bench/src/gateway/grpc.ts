import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStage } from '../app/stage.ts'
import { type Contender, measurePaired, type PairedResult, quantile } from '../paired.ts'
import { type Finding, formatRatio } from '../report.ts'
import { grpcGateway } from './programs.ts'
import { type MeasuredProxy, type ServerSpec, spawnOn, startNodeProxy, startServer } from './proxy.ts'
import { haproxy } from './servers.ts'

const callsPerSlice = 10_000
const rounds = 7
const ours = '@sd/gateway with gRPC'
/** The extension gives the response its type. */
const path = '/shop.Carts/Get.grpc'
/** A message of 64 bytes, and one of 101: five bytes of each are its frame. */
const [reply, request] = [64, 101].map((bytes) => {
  const message = Buffer.alloc(bytes, 1)
  message.writeUIntBE(bytes - 5, 0, 5)
  return message
}) as [Buffer, Buffer]

/** Measures unary calls of gRPC, over HTTP/2 on both sides: five connections with ten calls each. */
export async function benchGrpc(): Promise<readonly Finding[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-grpc-'))
  const stage = await openStage(['gateway', 'gateway-grpc', 'discovery', 'balancer-round-robin', 'registry-memory'], [])
  const proxies: MeasuredProxy[] = []
  try {
    const body = join(folder, 'request')
    await writeFile(body, request)
    const service = await startServer(await serviceOf(folder))
    if (!service || spawnSync('h2load', ['--version']).error) {
      return [{ subject: 'gRPC', measured: 'not measured: nghttpd or h2load is not installed' }]
    }
    proxies.push(service)
    proxies.push(await startNodeProxy(ours, await stage.write('grpc.mjs', grpcGateway), [String(service.port)]))
    const skipped: Finding[] = []
    for (const spec of [haproxy(service.port, 'http', 'proto h2'), nghttpx(service.port)]) {
      const proxy = await startServer(spec)
      if (proxy) proxies.push(proxy)
      else skipped.push({ subject: spec.name, measured: 'not measured: it is not installed' })
    }
    for (const { port } of proxies.slice(1)) await checkCall(port)
    return [...(await measure(proxies.slice(1), body)), ...skipped]
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await stage.close()
    await rm(folder, { recursive: true })
  }
}

/** A server of files: it responds with the message and the trailers of a call. */
async function serviceOf(folder: string): Promise<ServerSpec> {
  const root = join(folder, 'root')
  await mkdir(join(root, 'shop.Carts'), { recursive: true })
  await writeFile(join(root, path), reply)
  const types = join(folder, 'types')
  await writeFile(types, 'application/grpc grpc\n')
  const options = ['-a', '127.0.0.1', '--no-tls', '-d', root, '--trailer', 'grpc-status: 0', '--mime-types-file', types]
  return { name: 'nghttpd', program: 'nghttpd', core: 'load', args: (_, port) => [...options, String(port)] }
}

function nghttpx(upstream: number): ServerSpec {
  const backend = `-b127.0.0.1,${upstream};;proto=h2`
  return {
    name: 'nghttpx',
    program: 'nghttpx',
    config: () => '',
    args: (file, port) => [
      '--conf',
      file,
      `-f127.0.0.1,${port};no-tls`,
      backend,
      '--single-process',
      '--workers=1',
      '--errorlog-file=/dev/null',
    ],
  }
}

/** The load counts responses, not their trailers. @throws if a call does not succeed */
async function checkCall(port: number): Promise<void> {
  const session = connect(`http://127.0.0.1:${port}`)
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
  stream.end(request)
  stream.resume()
  const signal = AbortSignal.timeout(10_000)
  const [trailers] = (await once(stream, 'trailers', { signal })) as [Record<string, string>]
  session.close()
  if (trailers['grpc-status'] !== '0') throw new Error(`grpc-status is ${trailers['grpc-status']}: the run is invalid`)
}

async function measure(proxies: readonly MeasuredProxy[], body: string): Promise<readonly Finding[]> {
  const rates = proxies.map((): number[] => [])
  const contenders = proxies.map((proxy, index): Contender => {
    return {
      name: proxy.name,
      async slice() {
        const before = proxy.cpu()
        rates[index]?.push(await load(proxy.port, body))
        return (proxy.cpu() - before) / callsPerSlice
      },
    }
  })
  const results = await measurePaired(contenders, rounds, { warmUp: 2 })
  const [own] = results as [PairedResult]
  return results.map((result, index) => {
    const rate = quantile(rates[index] ?? [], 0.5)
    const ratio = own.cost / result.cost
    const isHaproxy = result.name === 'haproxy'
    return {
      subject: `gateway, CPU per gRPC call: ${result.name}`,
      measured: `${formatRatio(result)}, ${result.cost.toFixed(1)} µs, ${rate.toFixed(0)} calls per second`,
      ...(isHaproxy && { goal: `ours ≤ 7 ×: ${ratio.toFixed(2)}`, met: ratio <= 7 }),
      ...(index === 0 && { goal: '> 15,000 calls per second', met: rate > 15_000 }),
    }
  })
}

/** @returns calls per second */
async function load(port: number, body: string): Promise<number> {
  const fields = ['content-type: application/grpc', 'te: trailers', 'user-agent: grpc-node-js/1.14.0', 'grpc-timeout: 10S']
  const args = ['-n', String(callsPerSlice), '-c', '5', '-m', '10', '-d', body, ...fields.flatMap((field) => ['-H', field])]
  const child = spawnOn('load', 'h2load', [...args, `http://127.0.0.1:${port}${path}`], 'stdout')
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  await once(child, 'close')
  const rate = /finished in .*, ([\d.]+) req\/s/.exec(output)?.[1]
  if (rate === undefined || !output.includes(` ${callsPerSlice} succeeded, 0 failed`)) {
    throw new Error(`the run is invalid: ${output.slice(-500)}`)
  }
  return Number(rate)
}
