import { createHash } from 'node:crypto'
import { KubeConfig, type RequestContext } from '@kubernetes/client-node'
import { checkSecret, resolveProvided } from '@sd/adapter-kit'
import { invalidError, SdError } from '@sd/core'
import { checkDnsLabel, type ResolvedKubernetesConnectionOptions } from './options.ts'
import { createSockets, type Sockets } from './sockets.ts'

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>
type DispatcherOptions = ReturnType<KubeConfig['createDispatcherOptions']>
type ConnectOptions = Extract<DispatcherOptions, { type: 'agent' }>['connect']

/** A private part of the library, which opens a connection pool for every call. */
interface DispatcherFactory {
  createDispatcher: (...args: Parameters<KubeConfig['createDispatcherOptions']>) => Dispatcher | undefined
}

/** A kubeconfig that can be read again. */
export interface Login {
  /** Namespace in use. */
  readonly namespace: string
  /** Returns the configuration and server for requests. */
  current(): { readonly config: KubeConfig; readonly server: string }
  /** Reads the kubeconfig again after a refusal. An unreadable one keeps its previous content. */
  refresh(): void
  /** Closes all connections. */
  close(): void
}

/** Reads the kubeconfig. @throws SdError `SD_INVALID` that names the problem, without a credential */
export function createLogin(settings: ResolvedKubernetesConnectionOptions): Login {
  const dispatchers = new Map<string, Dispatcher>()
  const retired = new Set<Dispatcher>()
  const sockets = createSockets(settings.operationTimeoutMs)
  let config = prepare(loadConfig(settings))
  let refreshedAt = Number.NEGATIVE_INFINITY
  const namespace = settings.namespace ?? checkDnsLabel('namespace', readContext(config)?.namespace ?? 'default')

  /** Uses one connection pool per set of certificates, and the token from the options. */
  function prepare(loaded: KubeConfig): KubeConfig {
    const factory = loaded as unknown as DispatcherFactory
    const [makeOptions, makeDispatcher] = [loaded.createDispatcherOptions.bind(loaded), factory.createDispatcher.bind(loaded)]
    loaded.createDispatcherOptions = (cluster, agentOptions) => withConnector(makeOptions(cluster, agentOptions), sockets)
    factory.createDispatcher = (cluster, agentOptions) => {
      const key = createHash('sha256')
        .update(JSON.stringify([cluster?.server, cluster?.proxyUrl, agentOptions]))
        .digest('hex')
      const known = dispatchers.get(key)
      if (known) return known
      // Certificates were rotated: requests on the old connections may finish.
      for (const [oldKey, old] of dispatchers) {
        dispatchers.delete(oldKey)
        retired.add(old)
        void old.close().then(
          () => retired.delete(old),
          () => undefined,
        )
      }
      const dispatcher = makeDispatcher(cluster, agentOptions)
      if (dispatcher) dispatchers.set(key, dispatcher)
      return dispatcher
    }
    const { token } = settings
    if (token !== undefined) {
      const authenticate = loaded.applySecurityAuthentication.bind(loaded)
      loaded.applySecurityAuthentication = async (context) => {
        await authenticate(context)
        context.setHeaderParam('Authorization', `Bearer ${checkSecret('token', await resolveProvided<string>(token))}`)
      }
    }
    return loaded
  }

  return {
    namespace,
    current: () => ({ config, server: readServer(config) }),
    refresh() {
      // Many refused requests at once cause only one read.
      if (performance.now() - refreshedAt < 1_000) return
      refreshedAt = performance.now()
      try {
        config = prepare(loadConfig(settings))
      } catch {
        // It is being rewritten: the next refusal reads it.
      }
    },
    close() {
      for (const dispatcher of [...dispatchers.values(), ...retired]) void dispatcher.destroy().catch(() => undefined)
      sockets.close()
    },
  }
}

/** Uses our own sockets, also for a server whose certificate Node trusts. Through a proxy undici opens them. */
function withConnector(options: DispatcherOptions, sockets: Sockets): DispatcherOptions {
  if (options.type === 'socks' || options.type === 'proxy') return options
  const connect: unknown = sockets.connector(options.type === 'agent' ? options.connect : {})
  return { type: 'agent', connect: connect as ConnectOptions }
}

function loadConfig({ kubeconfig, context }: ResolvedKubernetesConnectionOptions): KubeConfig {
  const config = new KubeConfig()
  if (kubeconfig === 'in-cluster' && !process.env['KUBERNETES_SERVICE_HOST']) {
    throw invalidError('kubeconfig', 'in-cluster', 'a Pod, where KUBERNETES_SERVICE_HOST is set')
  }
  try {
    if (kubeconfig === undefined) config.loadFromDefault()
    else if (kubeconfig === 'in-cluster') config.loadFromCluster()
    else if (/[\n{]/.test(kubeconfig)) config.loadFromString(kubeconfig)
    else config.loadFromFile(kubeconfig)
  } catch (error) {
    // Its message may contain the text, including credentials.
    const { code } = error as { code?: unknown }
    const problem = typeof code === 'string' ? code : 'no kubeconfig'
    throw new SdError('SD_INVALID', `Invalid kubeconfig: reading it failed (${problem})`, { field: 'kubeconfig' })
  }
  if (context !== undefined) {
    if (!config.getContextObject(context)) throw invalidError('context', context, 'the name of a context of the kubeconfig')
    config.setCurrentContext(context)
  }
  readServer(config)
  return config
}

function readContext(config: KubeConfig): ReturnType<KubeConfig['getContextObject']> {
  return config.getContextObject(config.getCurrentContext())
}

function readServer(config: KubeConfig): string {
  const cluster = config.getCurrentCluster()
  if (!cluster) throw invalidError('kubeconfig', 'no cluster', 'a current context with a cluster')
  if (!/^https?:/.test(cluster.server) || !URL.canParse(cluster.server)) {
    throw invalidError('kubeconfig', 'a server that is not a URL', 'https://host:port')
  }
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify) {
    throw invalidError('kubeconfig', 'a server with http://', 'https://, or insecure-skip-tls-verify for "kubectl proxy"')
  }
  return cluster.server
}
