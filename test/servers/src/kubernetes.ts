import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { type Certificate, type CertificateSet, createCertificates } from './certificates.ts'
import { startEtcd } from './etcd.ts'
import { freePort } from './network.ts'
import type { ServerSource } from './sources.ts'
import { launch, type TestServer } from './test-server.ts'

/** Sources of the programs. */
export interface KubernetesSources {
  /** kube-apiserver, with kube-controller-manager next to it. */
  readonly kubernetes: ServerSource
  /** Storage of the API server. */
  readonly etcd: ServerSource
}

/** Options of {@link startKubernetes}. */
export interface KubernetesOptions {
  /** Bearer tokens of users without permissions, by user name. The administrator's token is built in. @default {} */
  readonly tokens?: Readonly<Record<string, string>>
}

/** Parts of a kubeconfig. */
export interface KubeconfigParts {
  /** Port on 127.0.0.1, for example of a faulty link. @default the server's */
  readonly port?: number
  /** Namespace of the context. @default none */
  readonly namespace?: string
  /** Bearer token, or `null` for none. @default the administrator's */
  readonly token?: string | null
  /** Client certificate. @default none */
  readonly client?: Certificate
  /** Authority that signed the server's certificate. @default the actual one */
  readonly ca?: string
}

/** A control plane without nodes: Pods exist without a kubelet, and controllers create EndpointSlices for them. */
export interface KubernetesServer extends TestServer {
  /** Port of the API server on 127.0.0.1, TLS only. */
  readonly port: number
  /** Its authority and certificates. The client certificate belongs to the user `tester`. */
  readonly certificates: CertificateSet
  /** Returns a kubeconfig as YAML. */
  kubeconfig(parts?: KubeconfigParts): string
  /** Sends a request as the administrator. @throws Error with the status of a failure */
  // biome-ignore lint/suspicious/noExplicitAny: tests read a few fields of Kubernetes' many kinds.
  call(method: string, path: string, body?: object): Promise<any>
}

const adminToken = 'admin-token'
const controllers = ['endpointslice-controller', 'garbage-collector-controller', 'namespace-controller']

/** Starts etcd, the API server and the controllers. Takes a few seconds. */
export async function startKubernetes(sources: KubernetesSources, options: KubernetesOptions = {}): Promise<KubernetesServer> {
  const { tokens = {} } = options
  const { kubernetes: source } = sources
  if (source.kind === 'address') throw new Error('the test must own this Kubernetes')
  const certificates = await createCertificates()
  const port = await freePort()
  const agent = new Agent({ ca: certificates.ca, keepAlive: false })

  const kubeconfig = (parts: KubeconfigParts = {}): string => createKubeconfig({ port, ca: certificates.ca, ...parts })
  const call = (method: string, path: string, body?: object): Promise<unknown> => callApi({ agent, port }, method, path, body)
  const etcd = await startEtcd(sources.etcd)
  const open: TestServer[] = [etcd]
  const closeAll = async (): Promise<void> => void (await Promise.all(open.map((server) => server.close())))
  try {
    const server = await launch({
      name: 'kube-apiserver',
      source,
      readyLimitMs: 120_000,
      async prepare(folder) {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
        const users = Object.entries(tokens).map(([user, token]) => `${token},${user},${user}`)
        const files = {
          'ca.pem': certificates.ca,
          'cert.pem': certificates.server.cert,
          'key.pem': certificates.server.key,
          'accounts.pem': privateKey.export({ type: 'pkcs1', format: 'pem' }),
          'tokens.csv': [`${adminToken},admin,admin,"system:masters"`, ...users].join('\n'),
        }
        for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text)
      },
      args: (folder) => [
        ...['--etcd-servers', `http://127.0.0.1:${etcd.port}`, '--bind-address', '127.0.0.1', '--secure-port', String(port)],
        ...['--advertise-address', '127.0.0.1', '--service-cluster-ip-range', '10.96.0.0/16', '--cert-dir', folder],
        ...['--tls-cert-file', join(folder, 'cert.pem'), '--tls-private-key-file', join(folder, 'key.pem')],
        ...['--client-ca-file', join(folder, 'ca.pem'), '--token-auth-file', join(folder, 'tokens.csv')],
        ...['--service-account-issuer', 'https://kubernetes.default.svc', '--authorization-mode', 'RBAC'],
        ...['--service-account-key-file', join(folder, 'accounts.pem')],
        ...['--service-account-signing-key-file', join(folder, 'accounts.pem')],
        // So that Pods can be created without an account, and on nodes that do not exist.
        ...['--disable-admission-plugins', 'ServiceAccount,TaintNodesByCondition'],
      ],
      probe: () => call('GET', '/readyz'),
    })
    open.unshift(server)
    const manager = await launch({
      name: 'kube-controller-manager',
      source,
      program: 'kube-controller-manager',
      prepare: (folder) => writeFile(join(folder, 'kubeconfig'), kubeconfig()),
      args: (folder) => [
        ...['--kubeconfig', join(folder, 'kubeconfig'), '--controllers', controllers.join(',')],
        ...[
          '--leader-elect=false',
          '--bind-address',
          '127.0.0.1',
          '--secure-port',
          '0',
          '--use-service-account-credentials=false',
        ],
        ...['--endpointslice-updates-batch-period', '0s'],
      ],
      probe: () => call('GET', '/readyz'),
    })
    open.unshift(manager)
    return {
      ...server,
      port,
      certificates,
      kubeconfig,
      call,
      async restartEmpty() {
        await server.kill()
        await etcd.restartEmpty()
        await server.start()
      },
      close: closeAll,
      [Symbol.asyncDispose]: closeAll,
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function createKubeconfig(parts: KubeconfigParts & { readonly port: number; readonly ca: string }): string {
  const { token = adminToken, client, namespace } = parts
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', ...(namespace && { namespace }) } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${parts.port}`,
          'certificate-authority-data': base64(parts.ca),
        },
      },
    ],
    users: [
      {
        name: 'test',
        user: {
          ...(token !== null && { token }),
          ...(client && { 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.key) }),
        },
      },
    ],
  })
}

function callApi(
  { agent, port }: { readonly agent: Agent; readonly port: number },
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  const headers = { authorization: `Bearer ${adminToken}`, ...(body && { 'content-type': type }) }
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path, method, headers, timeout: 20_000 }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const { statusCode = 0 } = response
        if (statusCode >= 300) reject(new Error(`${method} ${path}: ${statusCode} ${text}`))
        else resolve(text.startsWith('{') ? JSON.parse(text) : text)
      })
    })
    sent.on('timeout', () => sent.destroy(new Error('no response')))
    sent.on('error', reject)
    sent.end(body && JSON.stringify(body))
  })
}
