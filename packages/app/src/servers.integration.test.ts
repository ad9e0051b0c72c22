import { Client, credentials } from '@grpc/grpc-js'
import { type CertificateSet, createCertificates, type RuntimeName } from '@sd/test-servers'
import { Agent, request } from 'undici'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type RegisteredInstance, registeredBy, type ServiceProcess, startService } from './testing/start-service.ts'

const services: ServiceProcess[] = []
let certificates: CertificateSet
let dispatcher: Agent

beforeAll(async () => {
  certificates = await createCertificates()
  dispatcher = new Agent({ allowH2: true, connect: { ca: certificates.ca }, pipelining: 1 })
  return () => dispatcher.close()
})
afterEach(() => Promise.all(services.splice(0).map((service) => service.close())))

async function start(runtime: RuntimeName, kind: string): Promise<ServiceProcess> {
  const service = await startService(runtime, kind, certificates)
  services.push(service)
  return service
}

/** Sends a request. @returns status and body, or the code of the error */
async function get({ port, protocol }: RegisteredInstance, path: string): Promise<readonly [status: number, body: string]> {
  const { statusCode, body } = await request(`${protocol}://127.0.0.1:${port}${path}`, { dispatcher })
  return [statusCode, await body.text()]
}

const ok = '{"status":"ok"}'

describe('serves, answers health and metrics, and ends without losing a request', () => {
  test.each<[RuntimeName, string]>([
    ['node24', 'node:http'],
    ['node24', 'node:https'],
    ['node24', 'node:http2'],
    ['node24', 'Express'],
    ['node24', 'Koa'],
    ['node24', 'Hono on Node'],
    ['bun', 'node:http'],
    ['bun', 'Express'],
    ['bun', 'Hono on Bun'],
    ['bun', 'Bun.serve'],
    ['deno', 'node:http'],
    ['deno', 'Express'],
    ['deno', 'Hono on Deno'],
    ['deno', 'Deno.serve'],
  ])('%s: %s', { timeout: 90_000 }, async (runtime, kind) => {
    const service = await start(runtime, kind)
    const instance = await registeredBy(service)
    await service.says('started: ready')
    expect(await get(instance, '/0')).toEqual([200, 'done'])
    expect(await get(instance, '/health/live')).toEqual([200, ok])
    expect(await get(instance, '/health/ready?probe')).toEqual([200, ok])
    const [status, page] = await get(instance, '/metrics')
    expect([status, page.includes('# TYPE sd_')]).toEqual([200, true])

    const running = get(instance, '/800')
    const exited = service.stop()
    await service.says('deregistered')
    // It still serves, and says that it leaves.
    expect(await get(instance, '/0')).toEqual([200, 'done'])
    expect(await get(instance, '/health/ready')).toEqual([503, '{"status":"stopping"}'])
    expect(await get(instance, '/health/live')).toEqual([200, ok])
    expect(await running).toEqual([200, 'done'])
    expect([await exited, service.errors()]).toEqual([0, ''])
    expect(service.lines.slice(-2)).toEqual(['deregistered', 'onClose'])
  })

  test('node24: grpc-js, whose port is given at the start', { timeout: 90_000 }, async () => {
    const service = await start('node24', 'grpc-js')
    const { port, protocol } = await registeredBy(service)
    expect(protocol).toBe('grpc')
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    const wait = (ms: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const pass = (bytes: Buffer): Buffer => bytes
        client.makeUnaryRequest('/test.Test/Wait', pass, pass, Buffer.from(`${ms}`), (error, answer) =>
          error ? reject(error) : resolve(String(answer)),
        )
      })
    expect(await wait(0)).toBe('done')
    const running = wait(800)
    const exited = service.stop()
    await service.says('deregistered')
    expect(await running).toBe('done')
    expect([await exited, service.errors()]).toEqual([0, ''])
    client.close()
  })
})

describe('SIGTERM', () => {
  test('while it starts registers nothing, and the process exits with 0', { timeout: 60_000 }, async () => {
    const service = await start('node24', 'never listens')
    await service.says('starting')
    // The handlers are installed right after; the default one would end the process with a signal.
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await service.stop()).toBe(0)
    expect(service.lines).toEqual(['starting', 'started: stopping', 'onClose'])
    expect(service.errors()).toBe('')
  })
})
