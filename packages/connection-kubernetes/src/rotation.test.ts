import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { type CertificateSet, createCertificates } from '@sd/test-servers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createKubernetesConnection } from './kubernetes-connection.ts'
import { resolveKubernetesConnectionOptions } from './options.ts'

const signal = AbortSignal.timeout(60_000)
let folder: string
const file = (name: string): string => join(folder, name)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-kube-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** An API server that requires a certificate of its CA, and records the client's name. */
async function serve({ ca, server: own }: CertificateSet, port: number = 0): Promise<Server> {
  const server = createServer({ ca, ...own, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    response.end(JSON.stringify({ fingerprint: (request.socket as TLSSocket).getPeerCertificate().fingerprint256 }))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function writeKubeconfig(port: number, { ca, client }: CertificateSet, isInline: boolean): Promise<void> {
  await Promise.all([
    writeFile(file('ca.pem'), ca),
    writeFile(file('cert.pem'), client.cert),
    writeFile(file('key.pem'), client.key),
  ])
  const encode = (text: string): string => Buffer.from(text).toString('base64')
  const kubeconfig = {
    'current-context': 'one',
    contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: {
          server: `https://127.0.0.1:${port}`,
          ...(isInline ? { 'certificate-authority-data': encode(ca) } : { 'certificate-authority': file('ca.pem') }),
        },
      },
    ],
    users: [
      {
        name: 'u',
        user: isInline
          ? { 'client-certificate-data': encode(client.cert), 'client-key-data': encode(client.key) }
          : { 'client-certificate': file('cert.pem'), 'client-key': file('key.pem') },
      },
    ],
  }
  await writeFile(file('config'), JSON.stringify(kubeconfig))
}

test.each([
  ['in the kubeconfig', true],
  ['in files that it names', false],
])('certificates %s rotate together with those of the server', { timeout: 30_000 }, async (_, isInline) => {
  const [before, after] = [await createCertificates(), await createCertificates()]
  let server = await serve(before)
  const { port } = server.address() as AddressInfo
  await writeKubeconfig(port, before, isInline)
  const connection = createKubernetesConnection(
    resolveKubernetesConnectionOptions({ kubeconfig: file('config'), operationTimeoutMs: 2_000 }, 'kubernetes'),
  )
  const ask = async (): Promise<unknown> => (await connection.request({ method: 'GET', path: '/x', signal })).body
  const first = await ask()
  server.close()
  server.closeAllConnections()
  server = await serve(after, port)
  await expect(ask()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
  await writeKubeconfig(port, after, isInline)
  const second = await vi.waitFor(ask, { timeout: 15_000, interval: 100 })
  expect(second).not.toEqual(first)
  connection.close()
  server.close()
})
