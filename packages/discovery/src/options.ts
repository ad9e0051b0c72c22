import { randomUUID } from 'node:crypto'
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkText,
  type EndpointMonitor,
  guardListener,
  invalidError,
  type SdError,
  splitPortReference,
} from '@sd/core'
import type { DiskSnapshotOptions } from './disk-snapshots.ts'
import type { FailureAccrualOptions } from './failure-accrual.ts'
import type { InstanceFilter } from './filters.ts'
import type { InstanceSource } from './instance-source.ts'
import type { SubsetOptions } from './subset.ts'

/** Options of one service. */
export interface ServiceDiscoveryOptions {
  /** Instances to keep. Others never get traffic. @default all */
  readonly filter?: InstanceFilter
  /** Monitors of this service, instead of {@link DiscoveryOptions.monitors}. @default those of all services */
  readonly monitors?: readonly EndpointMonitor[]
  /** Subset of this service's endpoints, instead of {@link DiscoveryOptions.subset}. @default that of all services */
  readonly subset?: SubsetOptions
}

/** Options of `createDiscovery`. */
export interface DiscoveryOptions {
  /** Source of instances. Discovery does not close it. */
  readonly source: InstanceSource
  /** Options by service name. @default {} */
  readonly services?: Readonly<Record<string, ServiceDiscoveryOptions>>
  /** Polling interval for a source without `watch`, in milliseconds. @default 30_000 */
  readonly ttlMs?: number
  /** Changes within this time are applied together, in milliseconds. Removed instances are out at once. @default 100 */
  readonly coalesceMs?: number
  /**
   * Time in which the weight of a new instance grows to its full value, in milliseconds, so that caches and compilers can
   * warm up. 0 gives the full weight at once. Balancers without weights (round robin) ignore it. @default 0
   */
  readonly slowStartMs?: number
  /**
   * Shape of the growth: the share of the weight is t^(1/aggression), at least 10 %. 1 is linear; higher values grow faster
   * at first. From 0.1 to 100.
   *
   * @default 1 (Envoy)
   */
  readonly slowStartAggression?: number
  /** Monitors that watch endpoints and eject bad ones: outlier detection, health checks, or your own. @default [] */
  readonly monitors?: readonly EndpointMonitor[]
  /**
   * Whether Discovery runs the health checks that instances declare. It does so only if the backend does not run them
   * (`capabilities.healthChecks`) and no monitor of the service checks actively. Requires `@sd/health`; if it is missing,
   * `onError` receives an error.
   *
   * @default true
   */
  readonly declaredChecks?: boolean
  /**
   * Minimum share of endpoints that must be in, from 0 to 1. Below it the cluster is in panic and uses endpoints that are
   * out too: the few others could not carry the load, and the judgement is probably wrong. Endpoints that have just failed
   * are still avoided while another one is left. 0 disables panics. @default 0.5 (Envoy)
   */
  readonly panicThreshold?: number
  /** Uses only some endpoints of each service, so that not every client connects to all of them. @default all endpoints */
  readonly subset?: SubsetOptions
  /**
   * How long instances are held after the list collapses, in milliseconds. A list collapses when it loses more than half of
   * its instances within one lease, net of new ones. Deliberate removals are believed at once. 0 believes every list.
   *
   * @default twice the lease of the lost instances, at most 300_000; 30_000 if the lease is unknown
   */
  readonly emptyGuardMs?: number
  /**
   * The short memory of instances that are unreachable, keep failing, or sent `Retry-After`; `false` disables it.
   *
   * @default {}
   */
  readonly failureAccrual?: FailureAccrualOptions | false
  /** How long a first lookup waits for the source, in milliseconds. @default 5_000 */
  readonly readyTimeoutMs?: number
  /** Idle time after which an unused service is no longer followed, in milliseconds. @default 600_000 */
  readonly idleMs?: number
  /**
   * Maximum number of services followed at once. Beyond it, unused services are dropped, those without an instance first.
   *
   * @default 10_000
   */
  readonly maxServices?: number
  /** Keeps snapshots on disk, for a start while the source is unreachable. @default none */
  readonly snapshots?: DiskSnapshotOptions
  /** How long a start waits for the source before it reads the snapshot from disk, in milliseconds. @default 500 */
  readonly coldStartMs?: number
  /**
   * Receives errors that no caller can receive: a damaged or unwritable snapshot file, a monitor or listener that throws.
   *
   * @default ignored; failing listeners cause a process warning
   */
  readonly onError?: (error: SdError) => void
}

/** Options of one service, with defaults applied. */
export interface ResolvedServiceOptions {
  /** See {@link ServiceDiscoveryOptions.filter}. */
  readonly filter: InstanceFilter | undefined
  /** See {@link ServiceDiscoveryOptions.monitors}. */
  readonly monitors: readonly EndpointMonitor[]
  /** See {@link ServiceDiscoveryOptions.subset}. */
  readonly subset: Required<SubsetOptions> | undefined
}

/** Options with defaults applied. */
export interface ResolvedDiscoveryOptions
  extends Required<
    Omit<
      DiscoveryOptions,
      'snapshots' | 'services' | 'monitors' | 'declaredChecks' | 'subset' | 'emptyGuardMs' | 'failureAccrual'
    >
  > {
  /** Options of the services that have their own. */
  readonly services: ReadonlyMap<string, ResolvedServiceOptions>
  /** Options of all other services. */
  readonly anyService: ResolvedServiceOptions
  /** See {@link DiscoveryOptions.emptyGuardMs}; `undefined` means twice the lease. */
  readonly emptyGuardMs: number | undefined
  /** See {@link DiscoveryOptions.failureAccrual}. */
  readonly failureAccrual: Required<FailureAccrualOptions> | undefined
  /** See {@link DiscoveryOptions.snapshots}. */
  readonly snapshots: DiskSnapshotOptions | undefined
  /** Receives errors of listeners: {@link DiscoveryOptions.onError}, if it was given. */
  readonly onListenerError: ((error: SdError) => void) | undefined
}

const keys = [
  'source',
  'services',
  'ttlMs',
  'coalesceMs',
  'slowStartMs',
  'slowStartAggression',
  'monitors',
  'declaredChecks',
  'panicThreshold',
  'subset',
  'emptyGuardMs',
  'failureAccrual',
  'readyTimeoutMs',
  'idleMs',
  'maxServices',
  'snapshots',
  'coldStartMs',
  'onError',
] as const

/** Options that can be changed at run time: all but those of the source and of its storage. */
export type DiscoverySettings = Omit<DiscoveryOptions, 'source' | 'snapshots' | 'ttlMs' | 'coldStartMs' | 'onError'>

/** Names of {@link DiscoverySettings}. */
export const settingKeys: readonly string[] = keys.filter(
  (key) => key !== 'source' && key !== 'snapshots' && key !== 'ttlMs' && key !== 'coldStartMs' && key !== 'onError',
)

/**
 * Validates the options and applies defaults.
 *
 * @param ownId client id of a subset without `clientId`
 * @param declared monitor that runs the checks that instances declare, if enabled
 * @throws SdError `SD_INVALID` that names the option
 */
export function resolveDiscoveryOptions(
  options: DiscoveryOptions,
  ownId: string = randomUUID(),
  declared?: EndpointMonitor,
): ResolvedDiscoveryOptions {
  if (typeof checkObject('options', options)['getInstances'] === 'function') {
    throw invalidError('options', 'a source of instances', 'the source as an option: createDiscovery({ source })')
  }
  checkKnownKeys('', options, keys)
  const { source, services = {}, snapshots } = options
  checkFunction('source.getInstances', checkObject('source', source)['getInstances'] as InstanceSource['getInstances'])
  const { monitors = [], subset } = options
  const isWanted = checkBoolean('declaredChecks', options.declaredChecks ?? true) && !source.capabilities?.healthChecks
  const added = isWanted ? declared : undefined
  const anyService = {
    filter: undefined,
    monitors: addMonitor(checkMonitors('monitors', monitors), added),
    subset: subset === undefined ? undefined : checkSubset('subset', subset, ownId),
  }
  const clientId = anyService.subset?.clientId ?? ownId
  if (snapshots) checkSnapshots(snapshots)
  const onError = options.onError && guardListener('onError', checkFunction('onError', options.onError))
  return {
    source,
    anyService,
    services: new Map(
      Object.entries(checkObject('services', services)).map(([service, own]) => [
        service,
        readServiceOptions(`services.${service}`, own, { defaults: anyService, clientId, added }),
      ]),
    ),
    snapshots,
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 30_000, 1),
    coalesceMs: checkDuration('coalesceMs', options.coalesceMs ?? 100),
    slowStartMs: checkDuration('slowStartMs', options.slowStartMs ?? 0),
    slowStartAggression: checkNumber('slowStartAggression', options.slowStartAggression ?? 1, { min: 0.1, max: 100 }),
    panicThreshold: checkNumber('panicThreshold', options.panicThreshold ?? 0.5, { min: 0, max: 1 }),
    emptyGuardMs: options.emptyGuardMs === undefined ? undefined : checkDuration('emptyGuardMs', options.emptyGuardMs),
    failureAccrual: readFailureAccrual(options.failureAccrual ?? {}),
    readyTimeoutMs: checkDuration('readyTimeoutMs', options.readyTimeoutMs ?? 5_000, 1),
    idleMs: checkDuration('idleMs', options.idleMs ?? 600_000, 1),
    maxServices: checkInteger('maxServices', options.maxServices ?? 10_000, { min: 1, max: 1_000_000 }),
    coldStartMs: checkDuration('coldStartMs', options.coldStartMs ?? 500),
    onError: onError ?? (() => {}),
    onListenerError: onError,
  }
}

interface ServiceContext {
  readonly defaults: ResolvedServiceOptions
  readonly clientId: string
  /** Monitor that runs declared checks. */
  readonly added: EndpointMonitor | undefined
}

function readServiceOptions(
  path: string,
  options: unknown,
  { defaults, clientId, added }: ServiceContext,
): ResolvedServiceOptions {
  const { filter, monitors, subset } = checkObject(path, options) as ServiceDiscoveryOptions
  checkKnownKeys(path, options as object, ['filter', 'monitors', 'subset'])
  return {
    filter: filter === undefined ? undefined : checkFunction(`${path}.filter`, filter),
    monitors: monitors === undefined ? defaults.monitors : addMonitor(checkMonitors(`${path}.monitors`, monitors), added),
    subset: subset === undefined ? defaults.subset : checkSubset(`${path}.subset`, subset, clientId),
  }
}

/** Adds the monitor of declared checks, unless another monitor checks actively: no instance is checked twice. */
function addMonitor(monitors: readonly EndpointMonitor[], added: EndpointMonitor | undefined): readonly EndpointMonitor[] {
  return !added || monitors.some(({ isActive }) => isActive) ? monitors : [...monitors, added]
}

function checkMonitors(path: string, monitors: readonly EndpointMonitor[]): readonly EndpointMonitor[] {
  if (!Array.isArray(monitors)) throw invalidError(path, monitors, 'an array of monitors')
  const names = new Set<string>()
  for (const [index, monitor] of monitors.entries()) {
    const { name, attach } = checkObject(`${path}[${index}]`, monitor) as unknown as EndpointMonitor
    checkFunction(`${path}[${index}].attach`, attach)
    if (names.has(checkName(`${path}[${index}].name`, name))) throw invalidError(`${path}[${index}].name`, name, 'a unique name')
    names.add(name)
  }
  return monitors
}

function readFailureAccrual(accrual: FailureAccrualOptions | false): Required<FailureAccrualOptions> | undefined {
  if (accrual === false) return undefined
  checkKnownKeys('failureAccrual', checkObject('failureAccrual', accrual), ['maxFailures', 'minPenaltyMs', 'maxPenaltyMs'])
  const minPenaltyMs = checkDuration('failureAccrual.minPenaltyMs', accrual.minPenaltyMs ?? 1_000, 1)
  return {
    maxFailures: checkInteger('failureAccrual.maxFailures', accrual.maxFailures ?? 5, { min: 1, max: 1_000_000 }),
    minPenaltyMs,
    maxPenaltyMs: checkDuration(
      'failureAccrual.maxPenaltyMs',
      accrual.maxPenaltyMs ?? Math.max(30_000, minPenaltyMs),
      minPenaltyMs,
    ),
  }
}

function checkSubset(path: string, subset: SubsetOptions, defaultClientId: string): Required<SubsetOptions> {
  checkKnownKeys(path, checkObject(path, subset), ['size', 'clientId'])
  return {
    size: checkInteger(`${path}.size`, subset.size, { min: 1, max: 1_000_000 }),
    clientId: checkName(`${path}.clientId`, subset.clientId ?? defaultClientId),
  }
}

function checkSnapshots(snapshots: DiskSnapshotOptions): void {
  checkKnownKeys('snapshots', checkObject('snapshots', snapshots), ['directory', 'secret'])
  if (checkText('snapshots.directory', snapshots.directory, 4_096) === '')
    throw invalidError('snapshots.directory', '', 'the path of a folder')
  const { secret } = snapshots
  if (secret !== undefined && (typeof secret !== 'string' || secret.length < 16)) {
    throw invalidError('snapshots.secret', 'a secret (not shown)', 'a string of at least 16 characters')
  }
}

/**
 * Options of one service. The options of `orders` also apply to `orders:admin` unless it has its own, because both have the
 * same instances.
 */
export function serviceOptionsOf({ services, anyService }: ResolvedDiscoveryOptions, name: string): ResolvedServiceOptions {
  return services.get(name) ?? services.get(splitPortReference(name)?.service ?? name) ?? anyService
}
