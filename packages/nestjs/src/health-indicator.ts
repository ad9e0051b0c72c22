import { Inject } from '@nestjs/common'
import { Settings } from './core-module.ts'
import { SdApp } from './tokens.ts'

/** A result as `@nestjs/terminus` expects it. */
export type SdHealthResult<Key extends string> = Readonly<
  Record<Key, { readonly status: 'up' | 'down'; readonly [detail: string]: unknown }>
>

/**
 * Health of the application for `@nestjs/terminus`: `health.check([() => this.sd.isReady()])`. List it in the providers of the module with the health
 * controller.
 */
export class SdHealthIndicator {
  readonly #app: SdApp
  readonly #settings: Settings

  constructor(app: SdApp, settings: Settings) {
    this.#app = app
    this.#settings = settings
  }

  /** Whether it may get traffic: registered, not ending, and its own checks for readiness pass. */
  isReady<const Key extends string = 'sd'>(key: Key = 'sd' as Key): Promise<SdHealthResult<Key>> {
    return this.#read(key, this.#settings.part.lifecycle?.readyPath ?? '/health/ready')
  }

  /** Whether the process works: its own checks for liveness pass. */
  isLive<const Key extends string = 'sd'>(key: Key = 'sd' as Key): Promise<SdHealthResult<Key>> {
    return this.#read(key, this.#settings.part.lifecycle?.livePath ?? '/health/live')
  }

  async #read<Key extends string>(key: Key, url: string): Promise<SdHealthResult<Key>> {
    const response = this.#app.health({ url })
    const details = (await response?.json()) as object | undefined
    const { state } = this.#app
    return { [key]: { ...details, state, status: response?.ok ? 'up' : 'down' } } as unknown as SdHealthResult<Key>
  }
}

Inject(SdApp)(SdHealthIndicator, undefined, 0)
Inject(Settings)(SdHealthIndicator, undefined, 1)
