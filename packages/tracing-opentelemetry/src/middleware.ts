import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { type Attributes, context, type Span, SpanKind, trace } from '@opentelemetry/api'
import { readIpAddress } from '@sd/core'
import { failSpan } from './ending.ts'
import { methodAttributes, methodName, redactQuery } from './http.ts'
import { resolveTracingOptions, type TracingOptions } from './options.ts'
import { safely } from './safely.ts'

/** A request of Node, or of Fastify. */
export type TracedRequest =
  | IncomingMessage
  | {
      /** The request of Node. */
      readonly raw: IncomingMessage
      /** The matched route. */
      readonly routeOptions?: { readonly url?: string | undefined }
    }

/** A response of Node, or a reply of Fastify. */
export type TracedResponse =
  | ServerResponse
  | {
      /** The response of Node. */
      readonly raw: ServerResponse
    }

/** Traces one request, and calls `next` inside its span. */
export type TraceMiddleware = (request: TracedRequest, response: TracedResponse, next: () => void) => void

const headerGetter = {
  get: (headers: IncomingHttpHeaders, name: string): string | string[] | undefined => headers[name.toLowerCase()],
  keys: (headers: IncomingHttpHeaders): string[] => Object.keys(headers),
}

/**
 * Continues the traces of callers in a server: one `SERVER` span per request, until its response has ended. In Express use
 * `app.use(middleware)`, in Fastify `app.addHook('onRequest', middleware)`, with `node:http`
 * `middleware(request, response, () => handle(request, response))`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createTraceMiddleware(options: TracingOptions = {}): TraceMiddleware {
  const { tracer, propagator, attributes, queryParameters } = resolveTracingOptions(options)
  return (request, response, next) => {
    const incoming = 'raw' in request ? request.raw : request
    const outgoing = 'raw' in response ? response.raw : response
    const method = methodName(incoming.method ?? '')
    const around = context.active()
    const parent = safely(() => propagator.extract(around, incoming.headers, headerGetter)) ?? around
    const span = safely(() =>
      tracer.startSpan(
        method,
        { kind: SpanKind.SERVER, attributes: { ...attributes, ...serverAttributes(incoming, queryParameters) } },
        parent,
      ),
    )
    if (!span) return context.with(parent, next)
    outgoing.once('close', () => {
      safely(() => {
        const route = findRoute(request)
        if (route !== undefined) span.updateName(`${method} ${route}`).setAttribute('http.route', route)
      })
      endServerSpan(span, outgoing)
    })
    const active = trace.setSpan(parent, span)
    // Their events come from the socket, which has no context, and body parsers continue in them.
    context.bind(active, incoming)
    context.bind(active, outgoing)
    context.with(active, next)
  }
}

function serverAttributes(request: IncomingMessage, queryParameters: ReadonlySet<string>): Attributes {
  const { method = '', url = '/', headers, socket, httpVersion } = request
  const [path, query] = splitOnce(redactQuery(url, queryParameters), '?')
  const attributes: Attributes = {
    ...methodAttributes(method),
    'url.scheme': (socket as Partial<TLSSocket>).encrypted ? 'https' : 'http',
    'url.path': path,
    'url.query': query,
    'network.protocol.version': httpVersion,
    'client.address': socket.remoteAddress && (readIpAddress(socket.remoteAddress) ?? socket.remoteAddress),
    'user_agent.original': headers['user-agent'],
  }
  const host = /^(?<address>\[[^\]]*\]|[^:]+)(?::(?<port>\d{1,5}))?$/.exec(headers.host ?? '')?.groups
  if (host) attributes['server.address'] = host['address']?.replace(/^\[|\]$/g, '')
  if (host?.['port'] !== undefined) attributes['server.port'] = Number(host['port'])
  return attributes
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** The route pattern that the framework matched. */
function findRoute(request: TracedRequest): string | undefined {
  if ('raw' in request) return request.routeOptions?.url
  const { route, baseUrl = '' } = request as IncomingMessage & { route?: { path?: unknown }; baseUrl?: string }
  return typeof route?.path === 'string' ? baseUrl + route.path : undefined
}

function endServerSpan(span: Span, response: ServerResponse): void {
  const { headersSent, statusCode, writableFinished } = response
  safely(() => {
    if (headersSent) span.setAttribute('http.response.status_code', statusCode)
    if (headersSent && statusCode >= 500) failSpan(span, String(statusCode))
    else if (!writableFinished) failSpan(span, 'SD_ABORTED', 'The connection ended before the response did')
  })
  safely(() => span.end())
}
