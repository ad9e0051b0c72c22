import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CertificateSet, createCertificates } from './certificates.ts'

/** Certificates of a server and files of its client that can be replaced by those of another authority. */
export interface Rotation extends AsyncDisposable {
  /** Certificates to start the server with; they change with {@link Rotation.rotate}. */
  readonly certificates: CertificateSet
  /** TLS options of a client, in files. */
  readonly tls: {
    readonly ca: { readonly file: string }
    readonly cert: { readonly file: string }
    readonly key: { readonly file: string }
  }
  /** Replaces all certificates and restarts the server with them, on the same port and without data. */
  rotate(server: { restartEmpty(): Promise<void> }): Promise<void>
}

/** Creates the first certificates. */
export async function createRotation(): Promise<Rotation> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-rotation-'))
  const file = (name: string): { file: string } => ({ file: join(folder, `${name}.pem`) })
  const tls = { ca: file('ca'), cert: file('cert'), key: file('key') }
  let current: CertificateSet

  async function renew(): Promise<void> {
    current = await createCertificates()
    const { ca, client } = current
    await Promise.all([writeFile(tls.ca.file, ca), writeFile(tls.cert.file, client.cert), writeFile(tls.key.file, client.key)])
  }

  await renew()
  return {
    certificates: {
      get ca() {
        return current.ca
      },
      get server() {
        return current.server
      },
      get client() {
        return current.client
      },
    },
    tls,
    async rotate(server) {
      await renew()
      await server.restartEmpty()
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
