import type { IncomingMessage } from 'node:http'
import type { Admission, RequestHead } from './admission.ts'
import { admitUpgrade } from './admit-upgrade.ts'
import { type NodeRequest, type NodeResponse, readHead } from './node-request.ts'

/** A hook of Fastify. */
type FastifyHook = (
  request: { readonly raw: NodeRequest },
  reply: { readonly raw: NodeResponse; hijack(): unknown; getHeaders(): Record<string, unknown> },
  done: () => void,
) => void

/** The part of a Fastify application that the hook uses. */
export interface FastifyHooks {
  /** Adds a hook. */
  addHook(name: 'onRequest', hook: FastifyHook): unknown
}

/** One request to serve or refuse. */
export interface Serving {
  readonly request: NodeRequest
  readonly response: NodeResponse
  /** The framework's request object, which also gets `signal`. */
  readonly source?: object
  readonly application: () => unknown
  /** Called before a refusal is written. */
  readonly beforeRefusal?: () => void
}

/** What the hook needs of the limits. */
export interface FastifyHookOptions {
  /** Serves or refuses a request. */
  readonly serve: (serving: Serving) => void
  /** Decides about a WebSocket. */
  readonly decideStream: (head: RequestHead) => Promise<Admission>
  /** Keeps the decision about a request. */
  readonly note: (request: object, admission: Admission) => void
}

/** The hook that limits requests, and the WebSockets that plugins pass through the hooks. */
export function createFastifyHook({ serve, decideStream, note }: FastifyHookOptions): FastifyHook {
  return (request, reply, done) => {
    const { raw: response } = reply
    if (isUpgraded(request.raw)) {
      void admitUpgrade(request.raw.socket, decideStream(readHead(request.raw, request)), (admission) => {
        if (admission.refusal) reply.hijack()
        else {
          note(request, admission)
          done()
        }
      })
      return
    }
    serve({
      request: request.raw,
      response,
      source: request,
      application: done,
      beforeRefusal() {
        // Keep header fields of earlier hooks, such as those for CORS.
        for (const [field, value] of Object.entries(reply.getHeaders())) response.setHeader(field, value as string)
        reply.hijack()
      },
    })
  }
}

/** Whether Node has handed its connection over. */
function isUpgraded(request: NodeRequest): request is IncomingMessage {
  return (request as { readonly upgrade?: unknown }).upgrade === true
}
