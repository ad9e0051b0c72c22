import cluster from 'node:cluster'
import { readFile } from 'node:fs/promises'
import { type AdminServer, serveAdmin } from '@sd/admin'
import { prefixField } from '@sd/core'
import type { GatewayDocument } from '@sd/gateway-document'
import type { Metrics } from '@sd/metrics-prometheus'
import { splitAddress } from './observe-server.ts'

/**
 * Serves the admin endpoint of a document, which changes nothing. Every worker has one, because each counts its own calls.
 *
 * @throws SdError `SD_INVALID` that names the field, `SD_UNAVAILABLE` if the address can't be bound
 */
export async function startAdmin(
  { admin, name = 'gateway' }: GatewayDocument,
  metrics: Metrics,
): Promise<AdminServer | undefined> {
  if (!admin) return undefined
  const { token, hosts = [] } = admin
  const { host, port } = splitAddress(admin.address)
  try {
    return await serveAdmin({
      name,
      host,
      port: cluster.isWorker ? 0 : port,
      hosts,
      metrics,
      ...(token !== undefined && { authenticate: { token: token.startsWith('file:') ? () => readToken(token) : token } }),
    })
  } catch (error) {
    throw prefixField('admin', error)
  }
}

async function readToken(file: string): Promise<string> {
  return (await readFile(file.slice('file:'.length), 'utf8')).trim()
}
