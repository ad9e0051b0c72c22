import { type ConsulConnection, isAnswer, toConsulError } from '@sd/connection-consul'
import { SdError } from '@sd/core'
import type { ResolvedConsulRegistryOptions } from './options.ts'

/** What the token may read: Consul leaves out what it may not, and refuses nothing. */
export class ReadAccess {
  readonly #connection: ConsulConnection
  readonly #settings: ResolvedConsulRegistryOptions
  /** Whether a caller without a token has seen a node of the cluster. */
  #seesNodes = false

  constructor(connection: ConsulConnection, settings: ResolvedConsulRegistryOptions) {
    this.#connection = connection
    this.#settings = settings
  }

  /** Consul shows an empty list, instead of refusing, to those who may not read a service: it is believed only of what may be read. */
  async check(name: string, signal: AbortSignal): Promise<void> {
    await this.#connection.run(async ({ client, headers, options: { ctx } }) => {
      const params = { name }
      const asked = client._get({ path: '/agent/health/service/name/{name}', params, headers, ctx })
      await asked.catch((caught: unknown) => {
        // Every other response speaks of health, in which the caller is not interested here.
        const error = toConsulError(caught, this.#settings.name)
        if (error.code === 'SD_DENIED' || !isAnswer(error)) throw error
      })
    }, signal)
    if (this.#settings.token === undefined && !this.#seesNodes) await this.checkNodesVisible(signal)
  }

  /** Without a token Consul does not even say that it left out nodes that may not be read; every cluster has one. */
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

  /** The error of a list that is shorter than what there is. */
  hidden(what: string): SdError {
    const rules = 'node_prefix "" { policy = "read" } and service_prefix "" { policy = "read" }'
    const message = `${this.#settings.name} shows ${what} to ${this.#settings.token === undefined ? 'callers without a token' : 'this token'}`
    return new SdError('SD_DENIED', `${message}: it needs ${rules} (X-Consul-Results-Filtered-By-ACLs)`)
  }
}
