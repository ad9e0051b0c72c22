import type { ConsulServer } from '@sd/test-servers'

/** Writes a value as other tools do, through the HTTP API. */
export async function putKey(
  { port }: Pick<ConsulServer, 'port'>,
  path: string,
  content: string | Uint8Array,
  token?: string,
): Promise<void> {
  await send(port, path, {
    method: 'PUT',
    body: Buffer.from(content),
    headers: token === undefined ? {} : { 'x-consul-token': token },
  })
}

/** Deletes a key in the same way. */
export async function deleteKey({ port }: Pick<ConsulServer, 'port'>, path: string): Promise<void> {
  await send(port, path, { method: 'DELETE' })
}

async function send(port: number, path: string, init: RequestInit): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/kv/${encodeURIComponent(path)}`, {
    ...init,
    signal: AbortSignal.timeout(5_000),
  })
  const text = await response.text()
  if (!response.ok || text.trim() !== 'true') throw new Error(`consul: ${init.method} ${path}: ${response.status} ${text}`)
}
