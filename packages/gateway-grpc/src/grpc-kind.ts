/** How the messages of a call are framed. */
export interface GrpcKind {
  /** `native` over HTTP/2, `web` for browsers, `web-text` in base64, `preflight` of a browser. */
  readonly framing: 'native' | 'web' | 'web-text' | 'preflight'
  /** Coding of the messages: empty, or such as `+proto`. */
  readonly suffix: string
}

const contentType = /^application\/grpc(-web)?(-text)?(\+[\w.-]+)?[\t ]*(?:;|$)/i

/** Whether a content type is one of gRPC itself. */
export function isGrpc(type: string | undefined): boolean {
  return readKind(type)?.framing === 'native'
}

function readKind(type: string | undefined): GrpcKind | undefined {
  // Nearly all requests of other protocols end here.
  if (type === undefined || type.length < 16) return undefined
  const [all, web, text, suffix = ''] = contentType.exec(type) ?? []
  if (all === undefined || (text !== undefined && web === undefined)) return undefined
  const framing = web === undefined ? 'native' : text === undefined ? 'web' : 'web-text'
  return { framing, suffix: suffix.toLowerCase() }
}

/** What a request must have to be recognised. */
export interface GrpcRequest {
  readonly method: string
  header(name: string): string | undefined
}

/** The kind of a request; `undefined` if it is not of gRPC. */
export function kindOf(request: GrpcRequest): GrpcKind | undefined {
  if (request.method === 'POST') return readKind(request.header('content-type'))
  if (request.method !== 'OPTIONS') return undefined
  const wanted = request.header('access-control-request-headers')
  return wanted !== undefined && /(?:^|,)\s*x-grpc-web\s*(?:,|$)/i.test(wanted) ? { framing: 'preflight', suffix: '' } : undefined
}

/** Content type of the responses to a call. */
export function contentTypeOf({ framing, suffix }: GrpcKind): string {
  if (framing === 'web') return `application/grpc-web${suffix || '+proto'}`
  if (framing === 'web-text') return `application/grpc-web-text${suffix || '+proto'}`
  return `application/grpc${suffix}`
}
