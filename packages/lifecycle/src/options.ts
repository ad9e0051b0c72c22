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
  type Registrar,
  SdError,
} from '@sd/core'
import type { DrainableServer } from './drainable-server.ts'
import type { HealthSource } from './health-answer.ts'
import { type LifecycleServer, toDrainable } from './recognise-server.ts'

/** Something to end on shutdown, after the server. */
export type ShutdownHook = () => unknown

/** Options of `createLifecycle`. */
export interface LifecycleOptions {
  /** Where the instance is registered. Close it in a hook if nobody else does. */
  readonly registrar: Registrar
  /** The instance; without a port the server's is taken. */
  readonly instance: Omit<InstanceSpec, 'port'> & {
    /** Port that peers reach. A gRPC server does not tell its own. @default the port on which the server listens */
    readonly port?: number
  }
  /** The server to drain: of `node:http`, `node:https`, `node:http2`, `@grpc/grpc-js` or `Bun.serve`, a Fastify application, or your own implementation. */
  readonly server: LifecycleServer
  /** How long `start()` waits for the server to listen and for the registry's first answer, in milliseconds. @default 30_000 */
  readonly startTimeoutMs?: number
  /** How long it goes on serving after it was taken out of the registry, in milliseconds: until callers know. @default 1_000 */
  readonly propagationDelayMs?: number
  /** How long requests under way may take after that, in milliseconds; then they are cut. @default 10_000 */
  readonly drainTimeoutMs?: number
  /** Limit of deregistration and of each hook, in milliseconds. @default 5_000 */
  readonly stepTimeoutMs?: number
  /**
   * What tells work that has no end of its own to end: event streams, streams of gRPC, sockets of protocols of your own. Runs once callers
   * know, before the server stops accepting. WebSockets get a close frame without it.
   *
   * @default []
   */
  readonly beforeDrain?: readonly ShutdownHook[]
  /** What to end after the server, one after the other. @default [] */
  readonly onShutdown?: readonly ShutdownHook[]
  /**
   * Signals that shut down all lifecycles of the process that have them. The same signal more than a second later ends the process at once.
   *
   * @default ['SIGTERM', 'SIGINT']
   */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * Whether to end the process after a shutdown by signal, once all lifecycles of the process that were ending have ended: with code 0, or 1
   * if something went wrong in one.
   *
   * @default true
   */
  readonly exit?: boolean
  /** What else decides on readiness and liveness, such as a reporter of `@sd/health`; it gets the registration. @default none */
  readonly health?: HealthSource
  /** Path of the liveness answer. @default '/health/live' */
  readonly livePath?: string
  /** Path of the readiness answer. @default '/health/ready' */
  readonly readyPath?: string
  /** Told what went wrong on the way out; it goes on with the next step. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** Options with their defaults filled in. */
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

/** Checks an instance whose port may not be known yet. */
function checkInstance(instance: LifecycleOptions['instance']): void {
  if (checkObject('instance', instance)['address'] === undefined) {
    throw invalidError('instance.address', undefined, 'the address that others reach, which await advertisedAddress() finds')
  }
  try {
    createServiceInstance({ port: 1, ...instance })
  } catch (error) {
    if (!(error instanceof SdError) || error.field === undefined) throw error
    const field = `instance.${error.field}`
    throw new SdError('SD_INVALID', error.message.replace(error.field, field), { field, cause: error })
  }
}

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
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
