import { GrpcCall } from './grpc-call.ts'
import { installScheme } from './grpc-js.ts'
import { type GrpcServicesOptions, readOptions } from './options.ts'
import { ServiceChannel } from './service-channel.ts'

/** The services that grpc-js clients find under one scheme. */
export interface GrpcServices extends AsyncDisposable {
  /** The scheme: clients dial `<scheme>:///<service>`. */
  readonly scheme: string
  /**
   * Lets go of all connections; calls under way go on to their end. Calls that wait, and calls that are made afterwards, fail with
   * UNAVAILABLE: grpc-js has no way to take a scheme back. Idempotent.
   */
  close(): Promise<void>
}

/**
 * From now on every client of this copy of grpc-js that dials `sd:///orders` calls the service `orders` of the discovery, with its balancing, ejection and telemetry.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function registerServices(options: GrpcServicesOptions): GrpcServices {
  const { grpc, discovery, scheme, settingsOf } = readOptions(options)
  const channels = new Set<ServiceChannel>()
  const refusal = `The services of ${scheme}: were closed`
  let closed = false

  installScheme(grpc, scheme, {
    timeoutMs: (service) => settingsOf(service).timeoutMs,
    openChannel(service, control) {
      const { balancer } = settingsOf(service)
      const onClose = (): void => void channels.delete(channel)
      const init = { service, discovery, balancer, control, onClose, refusal: closed ? refusal : undefined }
      const channel = new ServiceChannel(init)
      channels.add(channel)
      return channel
    },
    startCall(service, path, metadata) {
      const { hashMetadata, timeoutMs: ownLimitMs } = settingsOf(service)
      const hashKey = hashMetadata === undefined ? undefined : metadata.get(hashMetadata)[0]?.toString()
      return new GrpcCall({ service, path, hashKey, ownLimitMs })
    },
  })

  const services: GrpcServices = {
    scheme,
    async close() {
      closed = true
      for (const channel of channels) channel.refuse(refusal)
    },
    [Symbol.asyncDispose]: () => services.close(),
  }
  return services
}
