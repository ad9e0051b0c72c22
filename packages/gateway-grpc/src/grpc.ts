import {
  type ClusterSource,
  checkBoolean,
  checkClusterSource,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkServiceName,
  invalidError,
} from '@sd/core'
import type { CallProtocol, GatewayCall } from '@sd/gateway'
import { GrpcCall, type GrpcRouteOptions } from './grpc-call.ts'
import { kindOf } from './grpc-kind.ts'
import { HealthService } from './health/health-service.ts'
import { MethodNames } from './method-names.ts'

/** Options of {@link createGrpc}. */
export interface GrpcOptions {
  /** Discovery of the client: for routes with `options.health`. @default no route may have it */
  readonly discovery?: ClusterSource
  /** Methods with statistics of their own; further ones count as `other`. @default 500 */
  readonly methods?: number
  /** Watches of the health service in progress; more are refused with RESOURCE_EXHAUSTED. @default 1_000 */
  readonly watches?: number
}

const noOptions: GrpcRouteOptions = {}

/** Of a preflight of a browser: it is a request of HTTP. */
const plainCall: GatewayCall = {}

/** Creates the protocol `grpc` for `protocols` of `createGateway`. @throws SdError `SD_INVALID` that names the field */
export function createGrpc(options: GrpcOptions = {}): CallProtocol {
  checkKnownKeys('', options, ['discovery', 'methods', 'watches'])
  const { methods = 500, watches = 1_000 } = options
  const discovery = options.discovery && checkClusterSource('discovery', options.discovery)
  const context = {
    methods: new MethodNames(checkInteger('methods', methods, { min: 0, max: 10_000 })),
    health: new HealthService(discovery, checkInteger('watches', watches, { min: 0, max: 1_000_000 })),
  }
  return {
    kind: 'call',
    name: 'grpc',
    recognises: (request) => kindOf(request) !== undefined,
    checkOptions: (given, path) => checkRouteOptions(given, path, discovery !== undefined),
    begin(exchange, given) {
      const kind = kindOf(exchange)
      if (!kind || kind.framing === 'preflight') return plainCall
      return new GrpcCall(exchange, kind, (given as GrpcRouteOptions | undefined) ?? noOptions, context)
    },
  }
}

function checkRouteOptions(given: unknown, path: string, hasDiscovery: boolean): void {
  if (given === undefined) return
  const options = checkObject(path, given)
  checkKnownKeys(path, options, ['web', 'health'])
  if (options['web'] !== undefined) checkBoolean(`${path}.web`, options['web'])
  if (options['health'] === undefined) return
  if (!hasDiscovery) throw invalidError(`${path}.health`, 'it without a discovery', 'discovery in the options of createGrpc')
  for (const [name, service] of Object.entries(checkObject(`${path}.health`, options['health']))) {
    if (!/^[\w.]{1,255}$/.test(name)) throw invalidError(`${path}.health.${name}`, name, 'the name of a gRPC service')
    checkServiceName(`${path}.health.${name}`, service)
  }
}
