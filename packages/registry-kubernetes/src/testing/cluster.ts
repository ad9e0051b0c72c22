import { randomUUID } from 'node:crypto'
import type { KubernetesServer } from '@sd/test-servers'
import type { Slice } from '../slices.ts'

/** A namespace for one test, with the actions of a kubelet. */
export interface Cluster {
  readonly namespace: string
  /** Creates a Service. */
  createService(name: string, spec: object, labels?: object): Promise<void>
  /** Creates a Pod that runs on the existing node `node-a` and is ready. */
  createPod(name: string, pod: PodSpec): Promise<void>
  /** Sets whether a Pod is ready. */
  setReady(name: string, isReady: boolean): Promise<void>
  /** Deletes a Pod; it stays until it has no finalizer. */
  deletePod(name: string): Promise<void>
  /** The EndpointSlices of the namespace. */
  slices(): Promise<readonly Slice[]>
  /** Creates an EndpointSlice. */
  createSlice(slice: object): Promise<void>
  /** Calls the API below the namespace. */
  call(method: string, path: string, body?: object): ReturnType<KubernetesServer['call']>
}

/** Fields of a test Pod. */
export interface PodSpec {
  readonly ip: string
  readonly labels: Readonly<Record<string, string>>
  /** Whether a deleted Pod stays terminating. @default false */
  readonly isHeld?: boolean
}

const slicePath = 'endpointslices'

/** Creates a namespace. */
export async function createCluster(server: KubernetesServer): Promise<Cluster> {
  const namespace = `test-${randomUUID()}`
  await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  const core = `/api/v1/namespaces/${namespace}`
  const discovery = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/${slicePath}`

  async function setStatus(name: string, ip: string | undefined, isReady: boolean): Promise<void> {
    const status = isReady ? 'True' : 'False'
    const conditions = [
      { type: 'Ready', status },
      { type: 'ContainersReady', status },
    ]
    await server.call('PATCH', `${core}/pods/${name}/status`, {
      status: { phase: 'Running', conditions, ...(ip && { podIP: ip, podIPs: [{ ip }] }) },
    })
  }

  return {
    namespace,
    createService: async (name, spec, labels = {}) =>
      void (await server.call('POST', `${core}/services`, { metadata: { name, labels }, spec })),
    async createPod(name, { ip, labels, isHeld = false }) {
      await server.call('POST', `${core}/pods`, {
        metadata: { name, labels, ...(isHeld && { finalizers: ['example.org/held'] }) },
        spec: { nodeName: 'node-a', containers: [{ name: 'main', image: 'none' }] },
      })
      await setStatus(name, ip, true)
    },
    setReady: (name, isReady) => setStatus(name, undefined, isReady),
    deletePod: async (name) => void (await server.call('DELETE', `${core}/pods/${name}`)),
    slices: async () => ((await server.call('GET', discovery)) as { items: readonly Slice[] }).items,
    createSlice: async (slice) => void (await server.call('POST', discovery, slice)),
    call: (method, path, body) => server.call(method, `${core}${path}`, body),
  }
}
