import { createRequire } from 'node:module'
import type { NacosConnection } from './nacos-connection.ts'
import type { NacosRequest } from './nacos-http.ts'

/**
 * The part of the SDK that sends naming requests, without its loops, caches and UDP receiver, which do not handle
 * outages.
 */
export interface NamingRequests {
  /** Creates or replaces an instance. */
  registerService(serviceName: string, groupName: string, instance: object): Promise<string>
  /** Removes an instance. */
  deregisterService(serviceName: string, place: object): Promise<string>
  /** Lists the instances of a service. @param udpPort port for pushes of the server; 0 for none */
  queryList(serviceName: string, clusters: string, udpPort: number, healthyOnly: boolean): Promise<string>
  /** Lists services. */
  getServiceList(pageNo: number, pageSize: number, groupName: string): Promise<{ count: number; data: readonly string[] }>
  /** Sends any other request. */
  _reqAPI(api: string, params: Record<string, string>, method: string): Promise<string>
}

interface SdkInternals extends NamingRequests {
  _callServer(server: string, method: string, api: string, params: Record<string, string>): Promise<string>
}

interface SdkHttpOptions {
  readonly method: NacosRequest['method']
  readonly headers: Readonly<Record<string, string>>
  readonly data: Readonly<Record<string, string>>
}

type NamingProxy = new (options: object) => SdkInternals

const silent = (): void => undefined
/** The SDK logs whole instances. */
const logger = { debug: silent, info: silent, warn: silent, error: silent }
/** Our connection selects the server, but the SDK requires one. */
const anyServer = 'nacos:8848'

/**
 * Creates the SDK's request layer on top of our connection. The class is not exported, so it is imported from its file.
 * A `NacosNamingClient` would open a UDP socket for all senders and start loops that outlive `close`.
 *
 * @returns a function that binds it to the signal of one operation
 */
export function createNamingRequests(connection: NacosConnection, namespace: string): (signal: AbortSignal) => NamingRequests {
  const ofSdk = createRequire(import.meta.resolve('nacos'))
  const SdkRequests = ofSdk('nacos-naming/lib/naming/proxy') as NamingProxy
  const proxy = new SdkRequests({ logger, namespace, serverList: [anyServer] })

  return (signal) => {
    const bound = Object.create(proxy) as SdkInternals
    async function request(url: string, { method, headers, data }: SdkHttpOptions): Promise<{ status: number; data: string }> {
      const { 'Accept-Encoding': _, Connection: __, ...kept } = headers
      const params = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined))
      const text = await connection.send({ method, path: new URL(url).pathname, params, headers: kept }, signal)
      return { status: 200, data: text }
    }
    return Object.defineProperties(bound, {
      httpclient: { value: { request } },
      // The SDK's own method would sign requests with Alibaba Cloud keys from the environment.
      _checkSignature: { value: () => Promise.resolve() },
      // The SDK's own method repeats any failure at once, and replaces its error by one without details.
      _reqAPI: {
        value: (api: string, params: Record<string, string>, method: string) => bound._callServer(anyServer, method, api, params),
      },
    })
  }
}
