import type { AttachedBalancer, CallsAnswer, Cluster, StateReport } from '@sd/core'
import { createUsualTimes, type UsualTimes } from '../attempt/usual-times.ts'
import { DueQueue } from '../call/due-queue.ts'
import { closePolicies, makePolicies, type PolicySet, reportPolicies, type ServicePolicies } from '../policies/policies.ts'
import { describeSettings } from '../settings/describe-settings.ts'
import type { ResolvedClientOptions } from '../settings/options.ts'
import type { ResolvedServiceSettings } from '../settings/settings.ts'
import { createOperationMatcher, type OperationMatcher, readOperation } from './operation-matcher.ts'
import type { ServiceEntry, ServiceExplanation } from './service-entry.ts'
import { RetiredSets, Usage } from './service-usage.ts'

/** One set of settings of a service, with everything created from it. */
interface Generation {
  readonly attached: AttachedBalancer
  readonly service: PolicySet
  readonly operations: ReadonlyMap<string, PolicySet>
  readonly usage: Usage
  readonly entry: ServiceEntry
  readonly matcher: OperationMatcher<ServiceEntry> | undefined
}

/** A service that a client calls. */
export class ClientService {
  /** Name of the service. */
  readonly name: string
  /** Last use, in sweeps of the client. */
  usedAt = 0
  readonly #cluster: Cluster
  readonly #interceptors: ResolvedClientOptions['interceptors']
  readonly #retired = new RetiredSets<Generation>((generation, later) => closeGeneration(generation, [...later, this.#current]))
  readonly #usualTimes: UsualTimes = createUsualTimes()
  #current: Generation
  #wasFound = false

  constructor(cluster: Cluster, interceptors: ResolvedClientOptions['interceptors'], settings: ResolvedServiceSettings) {
    this.name = cluster.service
    this.#cluster = cluster
    this.#interceptors = interceptors
    this.#current = this.#make(settings)
  }

  /** The service with its current settings. */
  get entry(): ServiceEntry {
    return this.#current.entry
  }

  /** Its operations with their own settings, if any. */
  get operations(): OperationMatcher<ServiceEntry> | undefined {
    return this.#current.matcher
  }

  /** Whether it must not be forgotten now: calls are in progress, or its breaker is isolated. */
  get isInUse(): boolean {
    const { usage } = this.#current
    return usage.calls > 0 || this.#retired.size > 0 || this.#allPolicies().some(({ breaker }) => breaker?.state === 'isolated')
  }

  /** Whether it has, or had, an instance. */
  get wasFound(): boolean {
    this.#wasFound ||= (this.#cluster.snapshot?.instances.length ?? 0) > 0
    return this.#wasFound
  }

  /** Creates what new settings need. @throws the error of a policy factory; then nothing has changed */
  prepare(settings: ResolvedServiceSettings): { accept(): void; discard(): void } {
    const before = this.#current
    const next = this.#make(settings, before)
    return {
      accept: () => {
        this.#current = next
        this.#retired.add(before.usage, before)
      },
      discard: () => closeGeneration(next, [before]),
    }
  }

  /** Closes replaced policies that were retired before a time by `performance.now()`. */
  closeRetired(before: number): void {
    this.#retired.closeBefore(before)
  }

  /** State of its policies. */
  *report(): Iterable<StateReport> {
    const { service, operations } = this.#current
    yield* reportPolicies(this.name, service.policies)
    for (const { policies } of operations.values()) yield* reportPolicies(this.name, policies, service.policies)
  }

  /** State of the service. */
  explain(): ServiceExplanation {
    const { service, operations } = this.#current
    return {
      cluster: this.#cluster.explain(),
      balancer: service.settings.balancer.name,
      policies: [...this.report()],
      operations: [...operations.keys()],
    }
  }

  /** How it is called, as plain data. */
  answer(): CallsAnswer {
    const { service, operations } = this.#current
    return {
      service: this.name,
      balancer: service.settings.balancer.name,
      operations: [...operations.keys()],
      policies: [...this.report()],
      settings: describeSettings(service.settings),
    }
  }

  /** Closes its balancer and its policies. */
  close(): void {
    this.#retired.closeBefore(Number.POSITIVE_INFINITY)
    closeGeneration(this.#current)
  }

  #allPolicies(): readonly ServicePolicies[] {
    return policiesOf(this.#current)
  }

  #make({ settings, operations: operationSettings }: ResolvedServiceSettings, before?: Generation): Generation {
    const cluster = this.#cluster
    const made: PolicySet[] = []
    try {
      const service = makePolicies({ cluster, settings, before: before?.service })
      made.push(service)
      const operations = new Map<string, PolicySet>()
      for (const [name, own] of operationSettings) {
        const operation = { name, service }
        operations.set(name, makePolicies({ cluster, settings: own, before: before?.operations.get(name), operation }))
        made.push(operations.get(name) as PolicySet)
      }
      const isSameBalancer = before?.service.settings.balancer === settings.balancer
      const attached = before && isSameBalancer ? before.attached : cluster.attach(settings.balancer)
      return this.#assemble({ attached, service, operations, usage: new Usage() })
    } catch (error) {
      const kept = before ? policiesOf(before) : []
      closePolicies(
        made.map(({ policies }) => policies),
        kept,
      )
      throw error
    }
  }

  #assemble(parts: Omit<Generation, 'entry' | 'matcher'>): Generation {
    const { attached, service, operations, usage } = parts
    const { call: callInterceptors, attempt: attemptInterceptors } = this.#interceptors
    const usualTimes = this.#usualTimes
    const shared = { service: this.name, cluster: this.#cluster, attached, usualTimes, callInterceptors, attemptInterceptors }
    const { enter, leave } = usage
    const toEntry = ({ settings, policies }: PolicySet, operation?: string): ServiceEntry => ({
      ...shared,
      operation,
      settings,
      policies,
      due: { deadlines: new DueQueue(), limits: new DueQueue(), lastLimitMs: Number.POSITIVE_INFINITY },
      enter,
      leave,
    })
    const entries = Array.from(operations, ([name, made]) => [readOperation('operations', name), toEntry(made, name)] as const)
    return { ...parts, entry: toEntry(service), matcher: entries.length > 0 ? createOperationMatcher(entries) : undefined }
  }
}

function policiesOf({ service, operations }: Generation): readonly ServicePolicies[] {
  return [service, ...operations.values()].map(({ policies }) => policies)
}

/** Closes the parts of a generation that the others do not use. */
function closeGeneration(generation: Generation, others: readonly Generation[] = []): void {
  if (!others.some(({ attached }) => attached === generation.attached)) generation.attached.detach()
  closePolicies(policiesOf(generation), others.flatMap(policiesOf))
}
