import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A stand-in for Nacos 3 without its v1 API. */
export interface DocumentedNacos {
  readonly port: number
  /** Texts by namespace, group and data id; what a test puts in is served as it stands. */
  readonly texts: Map<string, DocumentedText>
  /** Method, path and parameters of every request so far. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** What `ConfigQueryResponse` holds. */
export interface DocumentedText {
  readonly content: string
  readonly contentType: string
  readonly md5: string
  readonly lastModified: number
  readonly encryptedDataKey?: string
}

/** The user of the admin API. */
export const administrator = { username: 'nacos', password: 'secret-word-1' }

/**
 * Answers by the documentation of Nacos 3 and the source of its controllers `ConfigOpenApiController` and `ConfigControllerV3`: this is NOT recorded from a
 * server. Reading is open to all, writing wants the administrator.
 */
export async function startDocumentedNacos(): Promise<DocumentedNacos> {
  const texts = new Map<string, DocumentedText>()
  const requests: string[] = []

  function answer({ method, headers }: IncomingMessage, path: string, params: URLSearchParams): Answer {
    const { namespaceId, groupName, dataId, content = '', type } = Object.fromEntries(params)
    const key = JSON.stringify([namespaceId, groupName, dataId])
    const found = texts.get(key)
    if (path === '/nacos/v3/auth/user/login') return logIn(params)
    if (path === '/nacos/v3/client/cs/config' && method === 'GET') {
      return found ? success(found) : { status: 200, body: { code: 20_004, message: 'resource not found', data: null } }
    }
    if (path !== '/nacos/v3/admin/cs/config') return { status: 404, body: { status: 404, error: 'Not Found', path } }
    if (headers.authorization !== 'Bearer of-the-administrator')
      return { status: 403, body: { code: 403, message: 'authorization failed!' } }
    if (method === 'DELETE') return success(texts.delete(key))
    if (content.trim() === '')
      return { status: 400, body: { code: 10_000, message: "Required parameter 'content' type String is not present" } }
    if (headers['casmd5'] && headers['casmd5'] !== found?.md5) {
      return {
        status: 500,
        body: { code: 20_005, message: 'resource conflict', data: 'Cas publish fail, server md5 may have changed.' },
      }
    }
    const md5 = createHash('md5').update(content).digest('hex')
    texts.set(key, { content, contentType: type ?? 'text', md5, lastModified: Date.now() })
    return success(true)
  }

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://nacos')
    const params = new URLSearchParams([...searchParams, ...new URLSearchParams(await text(request))])
    requests.push(`${request.method} ${pathname} ${params}`)
    const { status, body } = answer(request, pathname, params)
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

interface Answer {
  readonly status: number
  readonly body: object
}

function success(data: unknown): Answer {
  return { status: 200, body: { code: 0, message: 'success', data } }
}

function logIn(params: URLSearchParams): Answer {
  const isRight = params.get('username') === administrator.username && params.get('password') === administrator.password
  if (!isRight) return { status: 500, body: { message: 'No message available' } }
  return { status: 200, body: { accessToken: 'of-the-administrator', tokenTtl: 18_000 } }
}
