import type { Credentials, Registry, TlsOptions } from '@sd/core'
import { createRegistry } from './create-registry.ts'
import type { RegistryType } from './registry-types.ts'
import type { RegistryConfig } from './registry-url.ts'

/** Collects the configuration of a registry step by step, for programs that don't have it in one place. */
export class RegistryBuilder {
  readonly #config: Record<string, unknown> = {}
  readonly #types: Record<string, RegistryType> = {}

  /** @param type which registry, such as `consul` */
  constructor(type: string) {
    this.#config['type'] = type
  }

  /** Servers, as `host:port` or `https://host:port`. */
  endpoints(...endpoints: readonly string[]): this {
    return this.option('endpoints', endpoints)
  }

  /** User and password. */
  credentials(credentials: Credentials): this {
    return this.option('credentials', credentials)
  }

  /** TLS with an authority of your own, or a client certificate. */
  tls(tls: TlsOptions): this {
    return this.option('tls', tls)
  }

  /** Lifetime of a lease without renewal, in milliseconds. */
  ttlMs(ttlMs: number): this {
    return this.option('ttlMs', ttlMs)
  }

  /** Any option of the adapter. */
  option(name: string, value: unknown): this {
    this.#config[name] = value
    return this
  }

  /** Adds a registry of your own that can be named as type. */
  addType<Options>(name: string, type: RegistryType<Options>): this {
    this.#types[name] = type
    return this
  }

  /** Builds it, as {@link createRegistry} does. @throws SdError as {@link createRegistry} */
  build(): Promise<Registry> {
    return createRegistry({ ...this.#config } as RegistryConfig, { types: { ...this.#types } })
  }
}
