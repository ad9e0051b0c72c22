import { type ConsulConnection, isAgentResponse, toConsulError } from '@sd/connection-consul'
import { SdError } from '@sd/core'
import type { ResolvedConsulRegistryOptions } from './options.ts'

/** Checks what the token may read. Consul silently leaves out entries that the token may not read. */
export class ReadAccess {
  readonly #connection: ConsulConnection
  readonly #settings: ResolvedConsulRegistryOptions
  /** Whether a caller without a token has seen a node of the cluster. */
  #seesNodes = false

  constructor(connection: ConsulConnection, settings: ResolvedConsulRegistryOptions) {
    this.#connection = connection
    this.#settings = settings
  }

  /**
   * Consul returns an empty list, not an error, to a token that may not read a service. Trust an empty list only for a
   * readable service.
   */
  async check(name: string, signal: AbortSignal): Promise<void> {
    await this.#connection.run(async ({ client, headers, options: { ctx } }) => {
      const params = { name }
      const asked = client._get({ path: '/agent/health/service/name/{name}', params, headers, ctx })
      await asked.catch((caught: unknown) => {
        // Other responses report health, which is not relevant here.
        const error = toConsulError(caught, this.#settings.name)
        if (error.code === 'SD_DENIED' || !isAgentResponse(error)) throw error
      })
    }, signal)
    if (this.#settings.token === undefined && !this.#seesNodes) await this.checkNodesVisible(signal)
  }

  /** Without a token, Consul does not report that it left out nodes. Every cluster has at least one node. */
  async checkNodesVisible(signal: AbortSignal): Promise<void> {
    const { datacenter } = this.#settings
    const found = await this.#connection.run(
      ({ client, headers, options: { ctx } }) =>
        client._get({ path: '/catalog/nodes', query: datacenter === undefined ? {} : { dc: datacenter }, headers, ctx }),
      signal,
    )
    if (Array.isArray(found.body) && found.body.length === 0) throw this.hidden('no node')
    this.#seesNodes = true
  }

  /** Returns the error for an incomplete list. */
  hidden(what: string): SdError {
    const rules = 'node_prefix "" { policy = "read" } and service_prefix "" { policy = "read" }'
    const message = `${this.#settings.name} returns ${what} to ${this.#settings.token === undefined ? 'callers without a token' : 'this token'}`
    return new SdError('SD_DENIED', `${message}: it needs ${rules} (X-Consul-Results-Filtered-By-ACLs)`)
  }
}
