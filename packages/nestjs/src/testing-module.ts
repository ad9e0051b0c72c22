// biome-ignore-all lint/complexity/noStaticOnlyClass: Nest's modules are classes.

import { type DynamicModule, Module } from '@nestjs/common'
import { SdCoreModule, testingToken } from './core-module.ts'
import { type FakeRequest, type FakeService, type SdTestingOptions, Testing } from './test-parts.ts'

/** The calls of the application in a test. Take it with `app.get(SdTesting)`. */
export abstract class SdTesting {
  /** The requests, in order, attempts of retries included. */
  abstract readonly calls: readonly FakeRequest[]
  /**
   * Adds handlers to a service that `forRoot` was given; those of the same operations are replaced.
   *
   * @throws SdError `SD_INVALID` that names the operation
   */
  abstract handle(service: string, handlers: FakeService): void
}

/**
 * Replaces what leaves the process, in a test: import it beside the real root module, `imports: [AppModule, SdTestingModule.forRoot({ services })]`.
 * The client is the real one, with its policies. To change configuration, use `app.get(SdConfig).set(path, value)`.
 */
export class SdTestingModule {
  /** Responds for the services that the application calls. @throws SdError `SD_INVALID` when Nest creates the application */
  static forRoot(options: SdTestingOptions = {}): DynamicModule {
    return {
      module: SdTestingModule,
      global: true,
      imports: [SdCoreModule],
      providers: [
        { provide: testingToken, useFactory: () => new Testing(options) },
        { provide: SdTesting, useExisting: testingToken },
      ],
      exports: [testingToken, SdTesting],
    }
  }
}

Module({})(SdTestingModule)
