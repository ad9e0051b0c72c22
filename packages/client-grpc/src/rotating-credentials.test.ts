import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificates } from '@sd/test-servers'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { grpcModules } from './testing/modules.ts'
import { call, type GrpcJs, type OrdersServerOptions } from './testing/orders.ts'
import { createStage } from './testing/stage.ts'

type Certificates = Awaited<ReturnType<typeof createCertificates>>

let certificates: Certificates
let others: Certificates
let folder: string
const file = (name: string): string => join(folder, name)

beforeAll(async () => {
  certificates = await createCertificates(['orders'])
  others = await createCertificates(['orders'])
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-grpc-tls-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A server that requires client certificates of an authority. */
function secured(grpc: GrpcJs, { server }: Certificates, clientCa: string): OrdersServerOptions {
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) }
  return { credentials: grpc.ServerCredentials.createSsl(Buffer.from(clientCa), [pair], true) }
}

describe.each(grpcModules)('grpc-js %s', (_minor, grpc: GrpcJs) => {
  test.each([false, true])(
    'certificates in files rotate: the next connections use the new ones (with policies: %s)',
    async (hasPolicies) => {
      await using stage = createStage(grpc)
      await writeFile(file('ca'), certificates.ca)
      await writeFile(file('cert'), certificates.client.cert)
      await writeFile(file('key'), certificates.client.key)
      const tls = { ca: { file: file('ca') }, cert: { file: file('cert') }, key: { file: file('key') } }
      const credentials = await stage.services.createCredentials(tls)
      const client = hasPolicies ? stage.dialWithPolicies({}, credentials) : stage.dial(undefined, {}, credentials)
      const first = await stage.serve('a', secured(grpc, certificates, certificates.ca))
      expect(await call(grpc, client, { waitForReady: true })).toBe('a')

      // All servers change to another authority.
      await writeFile(file('ca'), others.ca)
      await writeFile(file('cert'), others.client.cert)
      await writeFile(file('key'), others.client.key)
      await first.registration.deregister()
      await stage.serve('b', secured(grpc, others, others.ca))
      await expect.poll(() => call(grpc, client).catch(({ code }) => code), { timeout: 15_000 }).toBe('b')
    },
  )

  test('a half-written file leaves the current certificates in effect', async () => {
    await using stage = createStage(grpc)
    let { cert } = certificates.client
    const tls = { ca: () => certificates.ca, cert: () => cert, key: async () => certificates.client.key }
    const credentials = await stage.services.createCredentials(tls)
    cert = 'SECRET that is not a certificate'
    const warnings: string[] = []
    const warn = (warning: Error): void => void warnings.push(String(warning))
    process.on('warning', warn)
    for (const name of ['a', 'b', 'c']) {
      const { registration } = await stage.serve(name, secured(grpc, certificates, certificates.ca))
      expect(await call(grpc, stage.dial(undefined, {}, credentials), { waitForReady: true })).toBe(name)
      await registration.deregister()
      await expect.poll(() => stage.discovery.cluster('orders').view.endpoints.length).toBe(0)
    }
    await expect.poll(() => warnings.length).toBeGreaterThan(0)
    process.off('warning', warn)
    expect(warnings.join()).toContain('tls.cert')
    expect(warnings.join()).not.toContain('SECRET')
  })

  test('unusable certificates at the start are an error that names the option', async () => {
    await using stage = createStage(grpc)
    const { createCredentials } = stage.services
    await expect(createCredentials({ ca: { file: file('none') } })).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      field: 'tls.ca',
    })
    await expect(createCredentials({ cert: 'x' } as never)).rejects.toMatchObject({ code: 'SD_INVALID' })
    await expect(createCredentials({ serverName: 'x' } as never)).rejects.toMatchObject({ code: 'SD_INVALID' })
  })
})
