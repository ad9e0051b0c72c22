import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A stand-in for Nacos 3 without its v1 API. */
export interface StandIn {
  readonly port: number
  /** Texts by namespace, group and data id. Texts that a test adds are served unchanged. */
  readonly texts: Map<string, DocumentedText>
  /** Method, path and parameters of every request so far. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** The fields of `ConfigQueryResponse`. */
export interface DocumentedText {
  readonly content: string
  readonly contentType: string
  readonly md5: string
  readonly lastModified: number
  readonly encryptedDataKey?: string
}

/** The user of the admin API. */
export const administrator = { username: 'nacos', password: 'secret-word-1' }

/** Time for which readers get the previous text after a write, in milliseconds. */
const dumpMs = 150

/**
 * Responds like official Nacos 3.0.3. Observed on 2026-11-21 on one server with `nacos.core.auth.enabled=true`: status and body
 * of login, read, publish and delete and their rejections, and the delay of some 200 ms until readers see a write. Taken from
 * documentation and source instead: reading without login (as with auth for the admin API only), the missing v1 (3.0.3 has it,
 * 3.2 does not), and a text with an `encryptedDataKey`.
 */
export async function startStandIn(): Promise<StandIn> {
  const texts = new Map<string, DocumentedText>()
  const writes = new Map<string, Readonly<Record<'before' | 'after', DocumentedText | undefined>>>()
  const requests: string[] = []

  function write(key: string, text: DocumentedText | undefined): Reply {
    writes.set(key, { before: texts.get(key), after: text })
    setTimeout(() => writes.delete(key), dumpMs).unref()
    if (text) texts.set(key, text)
    else texts.delete(key)
    return success(true)
  }

  function reply({ method, headers }: IncomingMessage, path: string, params: URLSearchParams): Reply {
    const { namespaceId, groupName, dataId, content = '', type = 'text' } = Object.fromEntries(params)
    const key = JSON.stringify([namespaceId, groupName, dataId])
    const found = texts.get(key)
    if (path === '/nacos/v3/auth/user/login') return logIn(path, params)
    if (path === '/nacos/v3/client/cs/config' && method === 'GET') {
      const write = writes.get(key)
      const seen = write && write.after === found ? write.before : found
      return seen
        ? success({ resultCode: 200, errorCode: 0, encryptedDataKey: '', ...seen })
        : refusal(200, 20_004, 'resource not found', null)
    }
    if (path !== '/nacos/v3/admin/cs/config') return failure(404, 'Not Found', `No endpoint ${method} ${path}.`, path)
    if (headers.authorization !== 'Bearer of-the-administrator') {
      return failure(403, 'Forbidden', 'Code: 401, Message: User not found! Please check user exist or password is right!.', path)
    }
    if (method === 'GET') {
      if (!found) return refusal(404, 20_004, 'resource not found', 'Config not exist, please publish Config first.')
      const { contentType, lastModified, ...same } = found
      return success({ encryptedDataKey: '', ...same, type: contentType, modifyTime: lastModified })
    }
    if (method === 'DELETE') return write(key, undefined)
    if (content.trim() === '') {
      return refusal(400, 10_000, 'parameter missing', "Required parameter 'content' type String is not present")
    }
    if (found && headers['casmd5'] && headers['casmd5'] !== found.md5) {
      return refusal(500, 20_005, 'resource conflict', 'Cas publish fail, server md5 may have changed.')
    }
    const md5 = createHash('md5').update(content).digest('hex')
    return write(key, { content, contentType: type, md5, lastModified: Date.now() })
  }

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://nacos')
    const params = new URLSearchParams([...searchParams, ...new URLSearchParams(await text(request))])
    requests.push(`${request.method} ${pathname} ${params}`)
    const { status, body } = reply(request, pathname, params)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    texts,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Reply {
  readonly status: number
  readonly body: object
}

function success(data: unknown): Reply {
  return { status: 200, body: { code: 0, message: 'success', data } }
}

function refusal(status: number, code: number, message: string, data: string | null): Reply {
  return { status, body: { code, message, data } }
}

function failure(status: number, error: string, message: string, path: string): Reply {
  return { status, body: { timestamp: new Date().toISOString(), status, error, message, path } }
}

function logIn(path: string, params: URLSearchParams): Reply {
  const { username, password } = administrator
  if (params.get('username') !== username) return failure(403, 'Forbidden', 'Access Denied', path)
  if (params.get('password') !== password) return failure(500, 'Internal Server Error', 'No message available', path)
  return { status: 200, body: { accessToken: 'of-the-administrator', tokenTtl: 18_000, globalAdmin: true, username } }
}
