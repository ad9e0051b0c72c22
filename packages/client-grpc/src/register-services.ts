import { type Cluster, invalidError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'
import { GrpcCall } from './grpc-call.ts'
import { decodeTarget, type GrpcModule, installScheme } from './grpc-js.ts'
import type { GrpcChannel } from './grpc-types.ts'
import { readMethodKinds, type ServiceMethods } from './method-kinds.ts'
import { type GrpcServicesOptions, resolveGrpcServicesOptions } from './options.ts'
import { findPin } from './pinned-attempt.ts'
import { PolicyChannel } from './policy-channel.ts'
import { createRotatingContext, type RotatingContext } from './rotating-credentials.ts'
import { ServiceChannel } from './service-channel.ts'
import { ServiceWaits } from './service-waits.ts'

/** The services that grpc-js clients find under one scheme. @typeParam Module the installed version of grpc-js */
export interface GrpcServices<Module extends GrpcModule = GrpcModule> extends AsyncDisposable {
  /** The scheme: clients dial `<scheme>:///<service>`. */
  readonly scheme: string
  /**
   * Creates the channels of clients whose calls get the policies of `client`: pass it to their class as
   * `channelFactoryOverride`.
   *
   * @param methods the service's definition in the generated code, `OrdersClient.service`: it declares which methods
   * are streams
   * @returns the factory that grpc-js calls with the target; it throws SdError `SD_INVALID` for a target of another
   * scheme
   * @throws SdError `SD_INVALID` without a `client`, and for an invalid definition
   */
  channelFactory(
    methods: ServiceMethods,
  ): (target: string, credentials: object, options: object) => InstanceType<Module['Channel']>
  /**
   * Creates channel credentials whose certificates are texts, functions or files, and rotate without a restart. They
   * are read whenever a connection is made, for the next one, and every 30 s until these services are closed. If they
   * can't be read the previous ones stay in effect.
   *
   * @throws SdError `SD_INVALID` that names the option, `SD_UNAVAILABLE` if the certificates can't be read
   */
  createCredentials(
    tls: Pick<TlsOptions, 'ca' | 'cert' | 'key'>,
  ): Promise<ReturnType<Module['credentials']['createFromSecureContext']>>
  /**
   * Releases all connections; calls in progress continue to their end. Waiting calls and later ones fail with
   * UNAVAILABLE: grpc-js can't unregister a scheme. Idempotent.
   */
  close(): Promise<void>
}

/**
 * Registers the scheme: every client of this copy of grpc-js that dials `sd:///orders` calls the service `orders` of
 * the discovery, with its balancing, ejection and telemetry.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function registerServices<Module extends GrpcModule>(options: GrpcServicesOptions<Module>): GrpcServices<Module> {
  const { grpc, discovery, client, scheme, settingsOf } = resolveGrpcServicesOptions(options)
  const waits = new ServiceWaits()
  const policyChannels = new Set<PolicyChannel>()
  const contexts = new Set<RotatingContext>()
  const channels = new Set<ServiceChannel>()
  const refusal = `The services of ${scheme}: were closed`
  let closed = false

  installScheme(grpc, scheme, {
    timeoutMs: (service) => settingsOf(service).timeoutMs,
    openChannel(service, control) {
      const { balancer } = settingsOf(service)
      const onClose = (): void => void channels.delete(channel)
      const onChange = (): void => waits.tell(service)
      const init = { service, discovery, balancer, control, onChange, onClose, refusal: closed ? refusal : undefined }
      const channel = new ServiceChannel(init)
      channels.add(channel)
      return channel
    },
    startCall(service, path, metadata) {
      const pinned = findPin(metadata)
      if (pinned) return pinned
      const { hashMetadata, timeoutMs: ownLimitMs } = settingsOf(service)
      const hashKey = hashMetadata === undefined ? undefined : metadata.get(hashMetadata)[0]?.toString() || undefined
      return new GrpcCall({ service, path, hashKey, ownLimitMs })
    },
  })

  /** `undefined` once discovery is closed: calls then fail on their own. */
  function clusterOf(service: string): Cluster | undefined {
    try {
      return discovery.cluster(service)
    } catch {
      return undefined
    }
  }

  const services: GrpcServices<Module> = {
    scheme,
    channelFactory(methods) {
      if (!client) throw invalidError('client', client, 'the option client: channelFactory needs a client of @sd/client')
      const kindOf = readMethodKinds(methods)
      return (target, credentials, channelOptions) => {
        const service = decodeTarget(scheme, target)
        if (service === undefined)
          throw invalidError('target', target, `a target of the scheme ${scheme}, such as ${scheme}:///orders`)
        const { hashMetadata, timeoutMs } = settingsOf(service)
        const made = new PolicyChannel({
          grpc,
          client,
          service,
          channel: new grpc.Channel(target, credentials as never, channelOptions as never) as GrpcChannel,
          hashMetadata,
          timeoutMs,
          serviceConfig: (channelOptions as Record<string, unknown>)['grpc.service_config'],
          kindOf,
          refusal: () => (closed ? refusal : undefined),
          instances: () => clusterOf(service)?.view,
          wait: (onChange) => waits.wait(service, onChange, clusterOf(service)),
          onClose: (channel) => policyChannels.delete(channel),
        })
        policyChannels.add(made)
        return made as unknown as InstanceType<Module['Channel']>
      }
    },
    async createCredentials(tls) {
      const rotating = await createRotatingContext(tls)
      contexts.add(rotating)
      if (closed) rotating.close()
      return grpc.credentials.createFromSecureContext(rotating.context as never) as never
    },
    async close() {
      closed = true
      for (const context of contexts) context.close()
      for (const channel of channels) channel.refuse(refusal)
      for (const channel of policyChannels) channel.refuse(refusal)
    },
    [Symbol.asyncDispose]: () => services.close(),
  }
  return services
}
