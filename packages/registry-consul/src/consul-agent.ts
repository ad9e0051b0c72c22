import type { RegistrationDriver } from '@sd/adapter-kit'
import { type ConsulConnection, type ConsulTarget, isAnswer, toConsulError, unlessMissing } from '@sd/connection-consul'
import type { ServiceInstance } from '@sd/core'
import type { Entry } from './entries.ts'
import { describeInstance, heartbeatId, isHealthy, isHeartbeat, readHeartbeat, serviceId, serviceName } from './layout.ts'
import type { ResolvedConsulRegistryOptions } from './options.ts'

/** What is written on agents. */
export interface ConsulAgent {
  /** Puts, renews and removes registrations. */
  readonly driver: RegistrationDriver
  /**
   * Removes an entry from its agent, if that is the one in use, and from the catalogue. A living agent elsewhere brings it back.
   *
   * @param isOurs whether its id belongs to no other service
   */
  removeEntry(entry: Entry, isOurs: boolean, signal: AbortSignal): Promise<void>
}

/** Writes through a connection. */
export function createConsulAgent(connection: ConsulConnection, settings: ResolvedConsulRegistryOptions): ConsulAgent {
  const { prefix, datacenter, ttlMs, healthChecks, name } = settings
  /** The incarnation that was put last for each id: its check may be critical when it is put again. */
  const known = new Map<string, string>()

  const nameOf = (service: string): string => serviceName(prefix, service)
  const idOf = ({ service, id }: ServiceInstance): string => serviceId(nameOf(service), id)

  const beat = ({ client, options }: ConsulTarget, instance: ServiceInstance, incarnation: string): Promise<unknown> =>
    client.agent.check[isHealthy(instance) ? 'pass' : 'warn']({ ...options, id: heartbeatId(incarnation) })

  const deregister = ({ client, options }: ConsulTarget, id: string): Promise<unknown> =>
    unlessMissing(client.agent.service.deregister({ ...options, id }), name)

  /** Which incarnation the agent has; `undefined` if none. */
  async function readIncarnation({ client, options: { ctx }, headers }: ConsulTarget, id: string): Promise<string | undefined> {
    // The heartbeat's id is the only place of it that no other tool looks at. An id of ours has no quotes.
    const query = { filter: `ServiceID == "${id}"` }
    const { body } = await client._get({ path: '/agent/checks', query, headers, ctx })
    const heartbeat = Object.keys((body ?? {}) as object).find(isHeartbeat)
    return heartbeat && readHeartbeat(heartbeat)
  }

  /** The name of the agent's node; `undefined` for tokens that may not ask for it. */
  async function readNode({ client, options: { ctx }, headers }: ConsulTarget): Promise<string | undefined> {
    const asked = client._get({ path: '/agent/self', headers, ctx }).catch((caught: unknown) => {
      const error = toConsulError(caught, name)
      if (error.code !== 'SD_DENIED') throw error
    })
    return ((await asked)?.body as { Config?: { NodeName?: string } } | undefined)?.Config?.NodeName
  }

  /** Whether the catalogue has the record of a service on a node. */
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
          // The agent keeps the status of a check that it knows.
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
        // Another tool's id may belong to another service of this agent.
        if (isOurs || (await readNode(target)) === Node) await deregister(target, ID)
        const record = { Node, ServiceID: ID, ...(datacenter !== undefined && { Datacenter: datacenter }) }
        try {
          await client._put({ path: '/catalog/deregister', body: record, headers, ctx: options.ctx })
        } catch (caught) {
          // Consul refuses to remove a record that has just been removed with the status of a fault: only the catalogue can tell.
          const error = toConsulError(caught, name)
          if (!isAnswer(error) || (await isListed(target, Service, Node, ID))) throw error
        }
      }, signal),
  }
}
