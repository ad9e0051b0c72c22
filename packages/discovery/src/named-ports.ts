import {
  createLatestWins,
  createSnapshot,
  instanceAtPort,
  type OperationOptions,
  type SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  splitPortReference,
  toSdError,
  type Watched,
} from '@sd/core'
import type { InstanceFeed } from './instance-source.ts'

type PortReference = NonNullable<ReturnType<typeof splitPortReference>>

/** One of the two readings of `orders:admin`: the service of that name, or the port `admin` of `orders`. */
interface Side {
  /** The last step of its watch. */
  step?: Watched<ServiceSnapshot>
  /** The error with which the source refuses this name. It is not retryable. */
  refused?: SdError
}

/** Both readings of a name. */
interface Sides {
  readonly whole: Side
  readonly parts: Side
}

/** The combined result of both sides. */
interface Merged {
  /** The step to publish; absent until both sides have reported. */
  readonly step?: Watched<ServiceSnapshot> | undefined
  /** Ids of the instances that have no port of that name. */
  readonly portless?: ReadonlySet<string>
}

type ToPort = (instance: ServiceInstance) => ServiceInstance | undefined

/**
 * Adds names of the form `service:port` to a feed: the instances of `service` that have a port of that name, at that port.
 * A service that is registered under the whole name takes precedence, so that no existing name changes its meaning.
 */
export function resolveNamedPorts(feed: InstanceFeed): InstanceFeed {
  const portless = new Map<string, ReadonlySet<string>>()

  function watch(name: string, reference: PortReference, { signal }: OperationOptions): AsyncIterable<Watched<ServiceSnapshot>> {
    const ending = new AbortController()
    const end = (): void => merged.end()
    const merged = createLatestWins<Watched<ServiceSnapshot>>({
      onEnd() {
        signal?.removeEventListener('abort', end)
        portless.delete(name)
        ending.abort()
      },
    })
    const sides: Sides = { whole: {}, parts: {} }
    const toPort = rememberPorts(name, reference.port)

    function offer(): void {
      if (ending.signal.aborted) return
      const { step, portless: ids } = mergeSides(name, sides, toPort)
      const refusal = refusalOf(sides, step?.value)
      if (refusal) {
        merged.fail(refusal)
        return
      }
      if (ids) portless.set(name, ids)
      if (step) merged.offer(step)
    }

    async function follow(side: Side, service: string): Promise<void> {
      try {
        for await (const step of feed.watch(service, { signal: ending.signal })) {
          side.step = step
          offer()
        }
        merged.end()
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', `following ${service}`)
        side.refused = error
        if (error.retryable) merged.fail(error)
        else offer()
      }
    }

    if (signal?.aborted) {
      merged.end()
    } else {
      signal?.addEventListener('abort', end, { once: true })
      void follow(sides.whole, name)
      void follow(sides.parts, reference.service)
    }
    return merged
  }

  async function list(name: string, reference: PortReference, options: OperationOptions): Promise<ServiceSnapshot> {
    const [whole, parts] = await Promise.all([read(feed, name, options), read(feed, reference.service, options)])
    const value = mergeSides(name, { whole, parts }, rememberPorts(name, reference.port)).step?.value
    const refusal = refusalOf({ whole, parts }, value)
    if (refusal) throw refusal
    return value as ServiceSnapshot
  }

  return {
    watch(service, options) {
      const reference = splitPortReference(service)
      return reference ? watch(service, reference, options) : feed.watch(service, options)
    },
    list(service, options) {
      const reference = splitPortReference(service)
      return reference ? list(service, reference, options) : feed.list(service, options)
    },
    hasLeft(service, instanceId) {
      // An instance that is still listed, but without the port, no longer offers it.
      if (feed.hasLeft(service, instanceId) || portless.get(service)?.has(instanceId)) return true
      const base = splitPortReference(service)?.service
      return base !== undefined && feed.hasLeft(base, instanceId)
    },
    withoutPort: (service) => portless.get(service)?.size ?? 0,
    close: () => feed.close(),
  }
}

function mergeSides(name: string, { whole, parts }: Sides, toPort: ToPort): Merged {
  const own = whole.step?.value
  if (own && own.instances.length > 0) return { step: whole.step, portless: new Set() }
  const stale = whole.step?.stale ?? parts.step?.stale
  const base = parts.step?.value
  const isKnown = (own || whole.refused) && (base || parts.refused)
  if (!isKnown) return { step: stale && { stale } }
  const instances: ServiceInstance[] = []
  const portless = new Set<string>()
  for (const instance of base?.instances ?? []) {
    const atPort = toPort(instance)
    if (atPort) instances.push(atPort)
    else portless.add(instance.id)
  }
  const isStale = own?.stale === true || base?.stale === true
  const revision = `${own?.revision ?? ''}/${base?.revision ?? ''}`
  return {
    step: { value: createSnapshot({ service: name, instances, revision, stale: isStale }), ...(stale && { stale }) },
    portless,
  }
}

/**
 * The error to report, if any. If only one reading of the name is invalid for the source, it is treated as having no
 * instances. Other refusals may be temporary: they are reported, and the name is requested again, unless the other reading
 * has instances.
 */
function refusalOf({ whole, parts }: Sides, value: ServiceSnapshot | undefined): SdError | undefined {
  if (whole.refused && parts.refused) return whole.refused
  if (!value || value.instances.length > 0) return undefined
  const { refused = parts.refused } = whole
  return refused?.code === 'SD_INVALID' ? undefined : refused
}

/** Maps an unchanged instance to the same port object every time. */
function rememberPorts(name: string, port: string): ToPort {
  const known = new WeakMap<ServiceInstance, ServiceInstance>()
  return (instance) => {
    const before = known.get(instance)
    if (before) return before
    const made = instanceAtPort(instance, name, port)
    if (made) known.set(instance, made)
    return made
  }
}

async function read(feed: InstanceFeed, service: string, options: OperationOptions): Promise<Side> {
  try {
    return { step: { value: await feed.list(service, options) } }
  } catch (caught) {
    const refused = toSdError(caught, 'SD_UNAVAILABLE', `listing ${service}`)
    if (refused.retryable || options.signal?.aborted) throw refused
    return { refused }
  }
}
