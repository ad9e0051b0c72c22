import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  guardListener,
  type InstanceSpec,
  invalid,
  type Registrar,
  type SdError,
} from '@sd/core'
import { type DrainableServer, type LifecycleServer, toDrainable } from './drainable-server.ts'

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
  /** The server to drain: of `node:http`, `node:https`, `node:http2` or `@grpc/grpc-js`, or your own implementation. */
  readonly server: LifecycleServer
  /** How long it goes on serving after it was taken out of the registry, in milliseconds: until callers know. @default 1_000 */
  readonly propagationDelayMs?: number
  /** How long requests under way may take after that, in milliseconds; then they are cut. @default 10_000 */
  readonly drainTimeoutMs?: number
  /** Limit of deregistration and of each hook, in milliseconds. @default 5_000 */
  readonly stepTimeoutMs?: number
  /** What to end after the server, one after the other. @default [] */
  readonly onShutdown?: readonly ShutdownHook[]
  /** Signals that shut down; a second one ends the process at once. @default ['SIGTERM', 'SIGINT'] */
  readonly signals?: readonly NodeJS.Signals[]
  /** Whether to end the process after a shutdown by signal: with code 0, or 1 if something went wrong. @default true */
  readonly exit?: boolean
  /** Path of the liveness answer. @default '/health/live' */
  readonly livePath?: string
  /** Path of the readiness answer. @default '/health/ready' */
  readonly readyPath?: string
  /** Told what went wrong on the way out; it goes on with the next step. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** Options with their defaults filled in. */
export type ResolvedLifecycleOptions = Required<Omit<LifecycleOptions, 'server'>> & { readonly server: DrainableServer }

const keys = [
  'registrar',
  'instance',
  'server',
  'propagationDelayMs',
  'drainTimeoutMs',
  'stepTimeoutMs',
  'onShutdown',
  'signals',
  'exit',
  'livePath',
  'readyPath',
  'onError',
] as const

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: LifecycleOptions): ResolvedLifecycleOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { registrar, instance, server, onShutdown = [], signals = ['SIGTERM', 'SIGINT'] } = options
  checkFunction('registrar.register', (checkObject('registrar', registrar) as unknown as Registrar).register)
  checkObject('instance', instance)
  checkObject('server', server)
  for (const [index, hook] of onShutdown.entries()) checkFunction(`onShutdown[${index}]`, hook)
  for (const [index, signal] of signals.entries()) {
    if (!/^SIG[A-Z0-9]+$/.test(checkName(`signals[${index}]`, signal)))
      throw invalid(`signals[${index}]`, signal, 'a signal such as SIGTERM')
  }
  return {
    registrar,
    instance,
    server: toDrainable(server),
    onShutdown,
    signals,
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
