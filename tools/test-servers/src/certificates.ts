import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A certificate and its key, as PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority, a server's certificate for loopback and a client's. */
export interface CertificateSet {
  /** Certificate of the authority. */
  readonly ca: string
  /** For `localhost`, `127.0.0.1` and `::1`, and as a client of its peers. */
  readonly server: Certificate
  /** For the client `tester`. */
  readonly client: Certificate
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes an authority of its own and certificates that are valid for a day, with the `openssl` program. @param serverNames DNS names besides localhost */
export async function createCertificates(serverNames: readonly string[] = []): Promise<CertificateSet> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-certificates-'))
  const openssl = (...args: readonly string[]): Promise<unknown> => run('openssl', args, { cwd: folder, timeout: 30_000 })

  async function issue(name: string, commonName: string, extensions: readonly string[]): Promise<Certificate> {
    await writeFile(join(folder, `${name}.ext`), extensions.join('\n'))
    await openssl('req', ...keyOptions, '-subj', `/CN=${commonName}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', `${name}.ext`]
    await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signing)
    return { cert: await readFile(join(folder, `${name}.pem`), 'utf8'), key: await readFile(join(folder, `${name}.key`), 'utf8') }
  }

  try {
    await openssl(
      'req',
      '-x509',
      ...keyOptions,
      '-subj',
      '/CN=test authority',
      '-days',
      '1',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    )
    const names = ['localhost', ...serverNames].map((name) => `DNS:${name}`)
    const server = await issue('server', 'localhost', [
      'extendedKeyUsage=serverAuth,clientAuth',
      `subjectAltName=${[...names, 'IP:127.0.0.1', 'IP:::1'].join(',')}`,
    ])
    const client = await issue('client', 'tester', ['extendedKeyUsage=clientAuth'])
    return { ca: await readFile(join(folder, 'ca.pem'), 'utf8'), server, client }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
