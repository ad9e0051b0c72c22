import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  createServiceInstance,
  guardListener,
  type InstanceSpec,
  invalidError,
  prefixField,
  type Registrar,
  type SdError,
} from '@sd/core'
import type { DrainableServer } from './drainable-server.ts'
import type { HealthSource } from './probe-response.ts'
import { type LifecycleServer, toDrainable } from './recognise-server.ts'

/** A function to call on shutdown. */
export type ShutdownHook = () => unknown

/** Options of `createLifecycle`. */
export interface LifecycleOptions {
  /** Where the instance is registered. The lifecycle does not close it: do that in a hook. */
  readonly registrar: Registrar
  /** The instance. Without a port, the server's port is used. */
  readonly instance: Omit<InstanceSpec, 'port'> & {
    /** Port that callers connect to. A gRPC server does not report its own. @default the port on which the server listens */
    readonly port?: number
  }
  /**
   * The server to drain: of `node:http`, `node:https`, `node:http2`, `@grpc/grpc-js`, `Bun.serve` or `Deno.serve`, a Fastify application,
   * or your own implementation.
   */
  readonly server: LifecycleServer
  /**
   * How long `start()` waits for the server to listen and for the first response of the registry, in milliseconds.
   *
   * @default 30_000
   */
  readonly startTimeoutMs?: number
  /** How long the server keeps serving after deregistration, in milliseconds, so that callers learn of it. @default 1_000 */
  readonly propagationDelayMs?: number
  /** How long requests in progress may take after that, in milliseconds. Then they are cut off. @default 10_000 */
  readonly drainTimeoutMs?: number
  /** Timeout of the deregistration and of each hook, in milliseconds. @default 5_000 */
  readonly stepTimeoutMs?: number
  /**
   * Functions that end work without an end of its own: event streams, gRPC streams, sockets of custom protocols. They run
   * once callers know that the instance is leaving, before the server stops accepting. WebSockets receive a close frame
   * without it.
   *
   * @default []
   */
  readonly beforeDrain?: readonly ShutdownHook[]
  /** Functions to run after the server has closed, one after the other. @default [] */
  readonly onShutdown?: readonly ShutdownHook[]
  /**
   * Signals that shut down all lifecycles of the process that list them. The same signal more than a second later ends the
   * process at once.
   *
   * @default ['SIGTERM', 'SIGINT']
   */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * Whether to exit after a shutdown by signal, once all lifecycles of the process have finished: with code 0, or 1 if
   * there was an error in any of them.
   *
   * @default true
   */
  readonly exit?: boolean
  /** Further source of readiness and liveness, such as a reporter of `@sd/health`. It receives the registration. @default none */
  readonly health?: HealthSource
  /** Path of the liveness probe. @default '/health/live' */
  readonly livePath?: string
  /** Path of the readiness probe. @default '/health/ready' */
  readonly readyPath?: string
  /** Receives errors of the shutdown, which continues with the next step. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** Options with defaults applied. */
export type ResolvedLifecycleOptions = Required<Omit<LifecycleOptions, 'server' | 'health'>> & {
  readonly server: DrainableServer
  readonly health: HealthSource | undefined
}

const keys = [
  'registrar',
  'instance',
  'server',
  'startTimeoutMs',
  'propagationDelayMs',
  'drainTimeoutMs',
  'stepTimeoutMs',
  'beforeDrain',
  'onShutdown',
  'signals',
  'exit',
  'health',
  'livePath',
  'readyPath',
  'onError',
] as const

/** Validates an instance whose port may not be known yet. */
function checkInstance(instance: LifecycleOptions['instance']): void {
  if (checkObject('instance', instance)['address'] === undefined) {
    throw invalidError(
      'instance.address',
      undefined,
      'an address that other hosts reach, such as that of await advertisedAddress()',
    )
  }
  try {
    createServiceInstance({ port: 1, ...instance })
  } catch (error) {
    throw prefixField('instance', error)
  }
}

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveLifecycleOptions(options: LifecycleOptions): ResolvedLifecycleOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { registrar, instance, server, beforeDrain = [], onShutdown = [], health, signals = ['SIGTERM', 'SIGINT'] } = options
  checkFunction('registrar.register', (checkObject('registrar', registrar) as unknown as Registrar).register)
  checkInstance(instance)
  if (typeof server !== 'function') checkObject('server', server)
  if (health !== undefined) checkFunction('health.report', (checkObject('health', health) as unknown as HealthSource).report)
  for (const [index, hook] of beforeDrain.entries()) checkFunction(`beforeDrain[${index}]`, hook)
  for (const [index, hook] of onShutdown.entries()) checkFunction(`onShutdown[${index}]`, hook)
  for (const [index, signal] of signals.entries()) {
    if (!/^SIG[A-Z0-9]+$/.test(checkName(`signals[${index}]`, signal)))
      throw invalidError(`signals[${index}]`, signal, 'a signal such as SIGTERM')
  }
  return {
    registrar,
    instance,
    server: toDrainable(server),
    health,
    beforeDrain,
    onShutdown,
    signals,
    startTimeoutMs: checkDuration('startTimeoutMs', options.startTimeoutMs ?? 30_000, 1),
    propagationDelayMs: checkDuration('propagationDelayMs', options.propagationDelayMs ?? 1_000),
    drainTimeoutMs: checkDuration('drainTimeoutMs', options.drainTimeoutMs ?? 10_000),
    stepTimeoutMs: checkDuration('stepTimeoutMs', options.stepTimeoutMs ?? 5_000, 1),
    exit: checkBoolean('exit', options.exit ?? true),
    livePath: checkName('livePath', options.livePath ?? '/health/live'),
    readyPath: checkName('readyPath', options.readyPath ?? '/health/ready'),
    onError: guardListener(
      'onError',
      checkFunction('onError', options.onError ?? ((error) => process.stderr.write(`${error.message}\n`))),
    ),
  }
}
