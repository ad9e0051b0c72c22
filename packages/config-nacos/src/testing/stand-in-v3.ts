import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A stand-in for Nacos 3 without its v1 API. */
export interface StandIn {
  readonly port: number
  /** Texts by namespace, group and data id. Texts that a test adds are served unchanged. */
  readonly texts: Map<string, DocumentedText>
  /** Gray texts, with the addresses of their readers. */
  readonly grayTexts: Map<string, DocumentedText & { readonly addresses: string }>
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
  const grayTexts: StandIn['grayTexts'] = new Map()
  const history = createHistory()
  const writes = new Map<string, Readonly<Record<'before' | 'after', DocumentedText | undefined>>>()
  const requests: string[] = []

  function write(key: string, text: DocumentedText | undefined): Reply {
    const before = texts.get(key)
    writes.set(key, { before, after: text })
    history.record(key, before ? (text ? 'U' : 'D') : 'I', before ?? text)
    setTimeout(() => writes.delete(key), dumpMs).unref()
    if (text) texts.set(key, text)
    else texts.delete(key)
    return success(true)
  }

  function reply({ method, headers }: IncomingMessage, path: string, params: URLSearchParams): Reply {
    const own: Readonly<Record<string, string>> = Object.fromEntries(params)
    const { namespaceId, groupName, dataId, content = '', type = 'text', encryptedDataKey = '' } = own
    const key = JSON.stringify([namespaceId, groupName, dataId])
    const found = texts.get(key)
    if (path === '/nacos/v3/auth/user/login') return logIn(path, params)
    if (path === '/nacos/v3/client/cs/config' && method === 'GET') {
      const write = writes.get(key)
      const seen = grayTexts.get(key) ?? (write && write.after === found ? write.before : found)
      return seen
        ? success({ resultCode: 200, errorCode: 0, encryptedDataKey: '', ...seen })
        : refusal(200, 20_004, 'resource not found', null)
    }
    if (!path.startsWith('/nacos/v3/admin/cs/')) return failure(404, 'Not Found', `No endpoint ${method} ${path}.`, path)
    if (headers.authorization !== 'Bearer of-the-administrator') {
      return failure(403, 'Forbidden', 'Code: 401, Message: User not found! Please check user exist or password is right!.', path)
    }
    if (path.startsWith('/nacos/v3/admin/cs/history')) return history.reply(path, key, own)
    if (path.endsWith('/beta')) return success(grayTexts.delete(key) || true)
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
    const text = { content, contentType: type, md5, lastModified: Date.now(), encryptedDataKey }
    const { betaips: addresses } = headers
    if (typeof addresses !== 'string') return write(key, text)
    grayTexts.set(key, { ...text, addresses })
    return success(true)
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
    grayTexts,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface HistoryRecord {
  readonly key: string
  readonly id: string
  readonly basic: object
  readonly detail: object
}

/** The history of texts, as the table `his_config_info`: an update keeps the text before it, and the type is padded. */
function createHistory(): {
  record(key: string, opType: string, text: DocumentedText | undefined): void
  reply(path: string, key: string, params: Readonly<Record<string, string>>): Reply
} {
  const records: HistoryRecord[] = []
  return {
    record(key, opType, text) {
      if (!text) return
      const { content, md5, encryptedDataKey = '' } = text
      const id = String(records.length + 1)
      const writer = { publishType: 'formal', srcIp: '127.0.0.1', srcUser: 'nacos', modifyTime: 1_700_000_000_000 }
      records.push({ key, id, basic: { id, opType: opType.padEnd(10), ...writer }, detail: { content, md5, encryptedDataKey } })
    },
    reply(path, key, { nid, pageSize }) {
      const own = records.filter((one) => one.key === key).reverse()
      if (path.endsWith('/list')) {
        return success({ totalCount: own.length, pageItems: own.slice(0, Number(pageSize)).map(({ basic }) => basic) })
      }
      const found = own.find(({ id }) => id === nid)
      if (found) return success({ ...found.basic, ...found.detail })
      return refusal(404, 20_004, 'resource not found', `certain config history for nid = ${nid} not exist`)
    },
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
