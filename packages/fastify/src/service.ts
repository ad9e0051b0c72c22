import type { App } from '@sd/app'

/**
 * The service of a Fastify application, `app.sd`. Its start and end are those of the application.
 *
 * `app.getDecorator<FastifyService<Settings>>('sd')` has the type of your configuration.
 */
export interface FastifyService<Configuration = unknown>
  extends Pick<App, 'service' | 'state' | 'registry' | 'discovery' | 'client' | 'registration' | 'explain'> {
  /** @throws SdError `SD_INVALID` if the option `config` was not given */
  readonly config: App<Configuration>['config']
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The service: its client, discovery, registry and configuration. */
    readonly sd: FastifyService
  }

  interface FastifyRequest {
    /**
     * The time by which the caller wants the response, by `performance.now()`. Pass it to the calls that you make for the
     * request. `undefined` if the caller set no deadline, or if `limits` does not trust it.
     */
    readonly deadlineAt: number | undefined
  }
}
