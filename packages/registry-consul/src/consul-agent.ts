import type { RegistrationDriver } from '@sd/adapter-kit'
import { type ConsulConnection, type ConsulTarget, isAgentResponse, toConsulError, unlessMissing } from '@sd/connection-consul'
import type { ServiceInstance } from '@sd/core'
import type { Entry } from './entries.ts'
import { describeInstance, heartbeatId, isHealthy, isHeartbeat, readHeartbeat, serviceId, serviceName } from './layout.ts'
import type { ResolvedConsulRegistryOptions } from './options.ts'

/** Write operations on Consul agents. */
export interface ConsulAgent {
  /** Puts, renews and removes registrations. */
  readonly driver: RegistrationDriver
  /**
   * Removes an entry from the agent in use, if it is registered there, and from the catalog. Another running agent that
   * has the entry restores it.
   *
   * @param isOurs whether the entry's id cannot belong to another service
   */
  removeEntry(entry: Entry, isOurs: boolean, signal: AbortSignal): Promise<void>
}

/** Creates the write operations for a connection. */
export function createConsulAgent(connection: ConsulConnection, settings: ResolvedConsulRegistryOptions): ConsulAgent {
  const { prefix, datacenter, ttlMs, healthChecks, name } = settings
  /**
   * Incarnation last registered per id. The agent keeps the status of a known check, which may be critical when the
   * instance is put again.
   */
  const known = new Map<string, string>()

  const nameOf = (service: string): string => serviceName(prefix, service)
  const idOf = ({ service, id }: ServiceInstance): string => serviceId(nameOf(service), id)

  const beat = ({ client, options }: ConsulTarget, instance: ServiceInstance, incarnation: string): Promise<unknown> =>
    client.agent.check[isHealthy(instance) ? 'pass' : 'warn']({ ...options, id: heartbeatId(incarnation) })

  const deregister = ({ client, options }: ConsulTarget, id: string): Promise<unknown> =>
    unlessMissing(client.agent.service.deregister({ ...options, id }), name)

  /** Returns the name of the agent's node, or `undefined` if the token may not read it. */
  async function readNode({ client, options: { ctx }, headers }: ConsulTarget): Promise<string | undefined> {
    const asked = client._get({ path: '/agent/self', headers, ctx }).catch((caught: unknown) => {
      const error = toConsulError(caught, name)
      if (error.code !== 'SD_DENIED') throw error
    })
    return ((await asked)?.body as { Config?: { NodeName?: string } } | undefined)?.Config?.NodeName
  }

  /** Returns whether the catalog has an entry of the service on a node. */
  async function isListed(
    { client, options: { ctx }, headers }: ConsulTarget,
    service: string,
    node: string,
    id: string,
  ): Promise<boolean> {
    const query = datacenter === undefined ? {} : { dc: datacenter }
    const { body } = await client._get({ path: '/catalog/service/{service}', params: { service }, query, headers, ctx })
    const records = body as readonly { readonly Node: string; readonly ServiceID: string }[]
    return records.some(({ Node, ServiceID }) => Node === node && ServiceID === id)
  }

  return {
    driver: {
      async put(instance, { incarnation, signal }) {
        const placement = { name: nameOf(instance.service), incarnation, ttlMs: instance.ttlMs ?? ttlMs, healthChecks }
        const id = idOf(instance)
        await connection.run(async (target) => {
          const { client, headers, options } = target
          await client._put({
            path: '/agent/service/register',
            query: { 'replace-existing-checks': 'true' },
            body: describeInstance(instance, placement),
            headers,
            ctx: options.ctx,
          })
          // The agent keeps the status of a check that it already has.
          if (known.get(id) === incarnation) await beat(target, instance, incarnation)
          known.set(id, incarnation)
        }, signal)
      },
      renew: (instance, { incarnation, signal }) =>
        connection.run(
          async (target) => {
            if (await unlessMissing(beat(target, instance, incarnation), name)) return 'renewed'
            const holder = await readIncarnation(target, idOf(instance))
            return holder === undefined || holder === incarnation ? 'lost' : 'superseded'
          },
          signal,
          { urgent: true },
        ),
      async remove(instance, { incarnation, signal }) {
        const id = idOf(instance)
        await connection.run(async (target) => {
          if ((await readIncarnation(target, id)) === incarnation) await deregister(target, id)
        }, signal)
        if (known.get(id) === incarnation) known.delete(id)
      },
    },
    removeEntry: ({ Node: { Node }, Service: { ID, Service } }, isOurs, signal) =>
      connection.run(async (target) => {
        const { client, headers, options } = target
        // An id of another tool may belong to another service on this agent.
        if (isOurs || (await readNode(target)) === Node) await deregister(target, ID)
        const record = { Node, ServiceID: ID, ...(datacenter !== undefined && { Datacenter: datacenter }) }
        try {
          await client._put({ path: '/catalog/deregister', body: record, headers, ctx: options.ctx })
        } catch (caught) {
          // Consul returns a server error for a record that was just removed, so check the catalog.
          const error = toConsulError(caught, name)
          if (!isAgentResponse(error) || (await isListed(target, Service, Node, ID))) throw error
        }
      }, signal),
  }
}

/** Returns the incarnation that is registered on the agent, or `undefined` if there is none. */
async function readIncarnation({ client, options: { ctx }, headers }: ConsulTarget, id: string): Promise<string | undefined> {
  // Only the heartbeat's id holds the incarnation in a place that other tools ignore. Ids of ours contain no quotes.
  const query = { filter: `ServiceID == "${id}"` }
  const { body } = await client._get({ path: '/agent/checks', query, headers, ctx })
  const heartbeat = Object.keys((body ?? {}) as object).find(isHeartbeat)
  return heartbeat && readHeartbeat(heartbeat)
}
