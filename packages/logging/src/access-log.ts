import {
  masking as builtInMasking,
  checkFunction,
  checkKnownKeys,
  checkObject,
  guardListener,
  type Masking,
  subscribeTelemetry,
  type TelemetryEvents,
} from '@sd/core'
import type { LogLine } from './event-lines.ts'
import { readTraceId } from './ids.ts'
import { checkLogger, type ServiceLogger } from './service-logger.ts'

/** A request that a gateway has handled, as `sd:v1:gateway:exchange` reports it. */
export type AccessEvent = TelemetryEvents['sd:v1:gateway:exchange']

/** Options of {@link createAccessLog}. */
export interface AccessLogOptions {
  /** Where the lines go. */
  readonly logger: ServiceLogger
  /** Masks secrets in paths and queries; the built-in names are masked in any case. @default the rule of `@sd/core` */
  readonly masking?: Masking
  /**
   * Selects the requests to log, for a sample or without health checks:
   * `({ outcome }) => outcome.status >= 500 || Math.random() < 0.01`. It must be quick. @default all
   */
  readonly isLogged?: (event: AccessEvent) => boolean
}

/** The access log of the gateways in this process. */
export interface AccessLog extends Disposable {
  /** Stops logging. Idempotent. */
  close(): void
}

/** Most characters of a path with its query, of a host and of a user agent. */
const maxLength = 512
/** Query parameters that carry credentials under names that are harmless elsewhere. */
const secretParameters: ReadonlySet<string> = new Set(['code', 'key', 'sid', 'session', 'sig', 'state'])

/**
 * Logs each request that a gateway of `@sd/gateway` in this process has handled, with the fields that the README lists.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  checkKnownKeys('', checkObject('options', options), ['logger', 'masking', 'isLogged'])
  const logger = checkLogger(options.logger)
  const { masking = builtInMasking, isLogged = () => true } = options
  checkFunction('isLogged', isLogged)
  checkFunction('masking.text', checkObject('masking', masking)['text'] as Masking['text'])

  const write = guardListener('logger', (event: AccessEvent) => {
    if (!isLogged(event)) return undefined
    const level = levelOf(event)
    if (logger.isLevelEnabled?.(level) === false) return undefined
    return logger.log(level, 'gateway request', describeExchange(event, masking))
  })
  const close = subscribeTelemetry('sd:v1:gateway:exchange', write)
  return { close, [Symbol.dispose]: close }
}

/** A client that leaves is not a failure of the gateway. */
function levelOf({ outcome: { status } }: AccessEvent): LogLine['level'] {
  return status >= 500 ? 'error' : status === 499 ? 'warn' : 'info'
}

/** The fields of a line. Fields of the request that may carry a credential are not among them. */
function describeExchange({ exchange, outcome }: AccessEvent, masking: Masking): Readonly<Record<string, unknown>> {
  const { connection } = exchange
  return {
    request_id: exchange.id,
    trace_id: readTraceId(exchange.header('traceparent')),
    listener: connection.listener,
    route: exchange.route,
    peer_service: exchange.service,
    instance_id: outcome.instanceId,
    client_address: exchange.clientAddress,
    user: cut(exchange.identity),
    peer_address: connection.remoteAddress,
    protocol: `HTTP/${exchange.httpVersion}`,
    tls: connection.tls !== undefined,
    method: exchange.method,
    host: cut(exchange.authority),
    path: maskPath(exchange.path, masking),
    user_agent: cut(exchange.header('user-agent')),
    status: outcome.status,
    grpc_status: outcome.grpcStatus,
    error_code: outcome.error?.code,
    duration_ms: round(outcome.durationMs),
    first_byte_ms: round(outcome.firstByteMs),
    bytes_in: outcome.bytesIn,
    bytes_out: outcome.bytesOut,
  }
}

/** The path with masked values of secret query parameters. */
function maskPath(path: string, masking: Masking): string {
  const question = path.indexOf('?')
  if (question < 0) return cut(masking.text(path)) as string
  // What is cut is not masked, because it is not shown.
  const query = path.slice(question + 1, question + 1 + maxLength)
  const parameters = query.split('&').map((parameter) => {
    const equals = parameter.indexOf('=')
    const name = equals < 0 ? parameter : parameter.slice(0, equals)
    return equals >= 0 && isSecret(name, masking) ? `${name}=***` : parameter
  })
  return cut(masking.text(`${path.slice(0, question)}?${parameters.join('&')}`)) as string
}

function isSecret(encoded: string, masking: Masking): boolean {
  let name = encoded
  try {
    name = decodeURIComponent(encoded)
  } catch {
    // Not valid: it is judged as it is.
  }
  return secretParameters.has(name.toLowerCase()) || masking.isSecretName(name) || builtInMasking.isSecretName(name)
}

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}
