import type { DocumentSettings } from '@sd/client'
import type { GatewayTable } from '@sd/gateway'

/** Where metrics and health are, and what is logged. */
export interface ObservePart {
  /** Host and port of metrics and health. @default '127.0.0.1:9464' */
  readonly address?: string
  /** Path of the liveness probe. @default '/health/live' */
  readonly livePath?: string
  /** Path of the readiness probe. @default '/health/ready' */
  readonly readyPath?: string
  /** Format of the access log. @default 'json' */
  readonly accessLog?: 'json' | 'off'
}

/** The admin endpoint of `@sd/admin`, which only reads. */
export interface AdminPart {
  /** Host and port. With several workers each has any free port of the host. @default '127.0.0.1:9465' */
  readonly address?: string
  /** Secret that every request needs, or `file:` and a path. @default none: only for an address of this machine */
  readonly token?: string
  /** Names of this host that clients may use, besides its addresses. @default [] */
  readonly hosts?: readonly string[]
}

/** How the process ends. */
export interface DrainPart {
  /** How long it still serves requests once it reports that it is not ready, in milliseconds. @default 1_000 */
  readonly propagationDelayMs?: number
  /** How long requests in progress may take after that, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
}

/** How the gateway registers itself, for callers inside. */
export interface RegisterPart {
  readonly service: string
  /** Name of the listener whose port is registered. */
  readonly listener: string
  /** Address that others reach. @default detected */
  readonly address?: string
  /** Version of the instance. @default none */
  readonly version?: string
  /** Zone of the instance. @default none */
  readonly zone?: string
  /** Metadata of the instance. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
}

/** Something that is allowed and probably not meant. */
export interface DocumentWarning {
  /** Path of the value, such as `routes[0].forward.service`; empty for the whole document. */
  readonly path: string
  /** Line, from 1, if known. */
  readonly line?: number
  readonly message: string
}

/** A document that has been checked. */
export interface GatewayDocument {
  /** Name of the gateway in the `via` field. */
  readonly name: string | undefined
  /** For `createGateway` and `Gateway.configure`. */
  readonly table: GatewayTable
  /** For the client and discovery. */
  readonly settings: DocumentSettings
  /** URL or configuration for `createRegistry` of `@sd/registry`. It may have a password. */
  readonly registry: string | { readonly type: string; readonly [option: string]: unknown } | undefined
  /** Options of the rate limiters that routes use, by name. */
  readonly rateLimiters: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Keys of affinity cookies, newest first: texts, or `file:` and a path. */
  readonly affinityKeys: readonly string[]
  /** With its defaults. */
  readonly observe: Required<ObservePart>
  /** The admin endpoint, with its default address; `undefined` if there is none. */
  readonly admin: (AdminPart & { readonly address: string }) | undefined
  /** With its defaults. */
  readonly drain: Required<DrainPart>
  /** How it registers itself; `undefined` if it does not. */
  readonly register: RegisterPart | undefined
  /** Number of processes that share the listeners. */
  readonly workers: number
}
