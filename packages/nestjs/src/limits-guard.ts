import { type CanActivate, type ExecutionContext, HttpException } from '@nestjs/common'
import { checkFunction } from '@sd/core'

/** The part of `ServerLimits` of `@sd/server-limits` that the guard uses. */
export interface GuardedLimits {
  /** Decides about a request. */
  admit(request: GuardedRequest): GuardDecision | Promise<GuardDecision>
  /** The decision that a middleware has already made. */
  admissionOf(request: object): unknown
}

/** A request as the limits see it. */
export interface GuardedRequest {
  readonly method: string
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Address of the connection's peer. */
  readonly remoteAddress?: string | undefined
  /** The request object of the framework, with what guards before this one have set, such as its `user`. */
  readonly source: object
}

/** The decision about a request. */
export interface GuardDecision {
  /** The response, if it is refused. */
  readonly refusal?:
    | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
    | undefined
  /** Header fields for the response to an admitted request. */
  readonly headers: Readonly<Record<string, string>>
  /** Releases the place. */
  settle(outcome: { readonly ok: boolean; readonly status?: number; readonly latencyMs?: number }): void
}

/** A request of Express or Fastify. */
interface HttpRequest {
  readonly raw?: HttpRequest
  readonly method: string
  readonly url: string
  readonly originalUrl?: string
  readonly headers: GuardedRequest['headers']
  readonly socket?: { readonly remoteAddress?: string }
}

/** A response of Express or Fastify. */
interface HttpResponse {
  readonly raw?: HttpResponse
  readonly statusCode: number
  readonly writableFinished?: boolean
  once(event: 'close', listener: () => void): unknown
  header(name: string, value: string): unknown
}

/**
 * A guard for some controllers or routes: `@UseGuards(createLimitsGuard(limits))`. It runs after body parsers and after the guards before it, so a
 * limit can be for each user. To limit a whole server before bodies are read, use `limits.middleware` or `limits.addFastifyHooks` instead; requests
 * that those admitted pass. Contexts other than HTTP pass, too.
 *
 * @param limits what `createServerLimits()` of `@sd/server-limits` returns
 * @throws SdError `SD_INVALID`
 */
export function createLimitsGuard(limits: GuardedLimits): CanActivate {
  checkFunction('limits.admit', (limits as Partial<GuardedLimits> | undefined)?.admit as () => unknown)
  return {
    async canActivate(context: ExecutionContext): Promise<boolean> {
      if (context.getType() !== 'http') return true
      const request = context.switchToHttp().getRequest<HttpRequest>()
      if (limits.admissionOf(request)) return true
      const response = context.switchToHttp().getResponse<HttpResponse>()
      const admission = await limits.admit(readHead(request))
      const { refusal, headers } = admission
      for (const [name, value] of Object.entries(refusal?.headers ?? headers)) {
        if (name !== 'content-length') response.header(name, value)
      }
      if (refusal) throw new HttpException(JSON.parse(refusal.body) as object, refusal.status)
      const startedAt = performance.now()
      const raw = response.raw ?? response
      raw.once('close', () => {
        const { statusCode: status } = raw
        admission.settle({ ok: raw.writableFinished !== false && status < 500, status, latencyMs: performance.now() - startedAt })
      })
      return true
    },
  }
}

function readHead(request: HttpRequest): GuardedRequest {
  const { method, headers, socket } = request.raw ?? request
  return {
    method,
    path: request.originalUrl ?? request.url,
    headers,
    remoteAddress: socket?.remoteAddress,
    source: request,
  }
}
