import type { KubernetesServer } from '@sd/test-servers'

/** Writes to a namespace without the source. */
export interface Kubectl {
  /** Writes one entry `<name>/<key>`, and creates the object if it is missing. Bytes are written unchanged. */
  write(key: string, content: string | Uint8Array): Promise<void>
  /** Removes one entry. */
  remove(key: string): Promise<void>
  /** Calls the API below the path of the kind. */
  call(method: string, path: string, body?: object): ReturnType<KubernetesServer['call']>
}

/** Creates a writer for one kind in one namespace. */
export function createKubectl(server: KubernetesServer, namespace: string, kind: 'configmaps' | 'secrets'): Kubectl {
  const call: Kubectl['call'] = (method, path, body) =>
    server.call(method, `/api/v1/namespaces/${namespace}/${kind}${path}`, body)

  function fieldsOf(dataKey: string, content: string | Uint8Array | null): object {
    if (kind === 'configmaps' && typeof content === 'string')
      return { data: { [dataKey]: content }, binaryData: { [dataKey]: null } }
    const base64 = content === null ? null : Buffer.from(content).toString('base64')
    if (kind === 'secrets') return { data: { [dataKey]: base64 } }
    return { data: { [dataKey]: null }, binaryData: { [dataKey]: base64 } }
  }

  async function patch(key: string, content: string | Uint8Array | null): Promise<void> {
    const [name = '', dataKey = ''] = key.split(/\/(.*)/s)
    const update = (): Promise<void> => call('PATCH', `/${name}`, fieldsOf(dataKey, content))
    await update().catch(async (error: Error) => {
      if (!error.message.includes(': 404 ')) throw error
      if (content === null) return
      await call('POST', '', { metadata: { name } })
      await update()
    })
  }

  return { write: patch, remove: (key) => patch(key, null), call }
}
