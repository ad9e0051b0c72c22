import type { ProcessSnapshot } from '@sd/admin'
import { ChangeLog } from './changes/change-log.ts'
import { buildModel } from './join/build-model.ts'
import { isSameProcess, type JoinedProcesses } from './join/join-processes.ts'
import { HealthTimes } from './join/join-services.ts'
import { callerName, serviceOfName } from './join/names.ts'
import { ViewStore } from './join/views.ts'
import type { FleetModel } from './model.ts'
import type { ResolvedFleetOptions } from './options.ts'
import { type ProcessEntry, ProcessTable } from './process/process-table.ts'
import { findTargets } from './process/targets.ts'
import { instancesOf, type RegistryView } from './registry/registry-view.ts'
import { ProblemTracker } from './rules/problem-tracker.ts'
import { TrafficStore } from './traffic/traffic-store.ts'

/** Everything that a fleet remembers between two polls. */
export class FleetState {
  readonly table: ProcessTable = new ProcessTable()
  readonly traffic: TrafficStore
  readonly views: ViewStore = new ViewStore()
  readonly #options: ResolvedFleetOptions
  readonly #registry: RegistryView
  readonly #health = new HealthTimes()
  readonly #problems: ProblemTracker
  readonly #changes: ChangeLog
  /** The endpoint whose counts are used, by id of the process: another endpoint of the same process has the same counts. */
  readonly #counting = new Map<string, ProcessEntry>()
  #omittedProcesses = 0
  #model: FleetModel
  #joined: JoinedProcesses = { processes: [], entries: new Map(), byInstance: new Map(), clashes: [] }

  constructor(options: ResolvedFleetOptions, registry: RegistryView) {
    this.#options = options
    this.#registry = registry
    this.traffic = new TrafficStore(options.keepMs)
    this.#problems = new ProblemTracker(options.onError)
    this.#changes = new ChangeLog(options.keepMs)
    const { source, url } = options
    this.#model = {
      at: 0,
      registry: { name: source.name, url, isKnown: false },
      services: [],
      processes: [],
      edges: [],
      problems: [],
      changes: [],
      omitted: { services: 0, instances: 0, processes: 0, edges: 0, problems: 0 },
    }
  }

  /** The last model; `at` is 0 before the first poll. */
  get model(): FleetModel {
    return this.#model
  }

  /** The processes of the last model. */
  get joined(): JoinedProcesses {
    return this.#joined
  }

  /** Looks for admin endpoints. @returns the entries that are no longer polled */
  findProcesses(now: number): readonly ProcessEntry[] {
    const { processes, maxProcesses, tls } = this.#options
    const { targets, omitted } = findTargets(instancesOf(this.#registry.facts()), processes, tls !== undefined, maxProcesses)
    this.#omittedProcesses = omitted
    const removed = this.table.sync(targets, now)
    for (const [processId, entry] of this.#counting) if (removed.includes(entry)) this.#counting.delete(processId)
    return removed
  }

  /** Adds the counts of a new snapshot. */
  takeSnapshot(entry: ProcessEntry, previous: { readonly snapshot: ProcessSnapshot; readonly at: number } | undefined): void {
    const { snapshot, answeredAt: at = 0 } = entry
    if (!snapshot || this.#isCountedElsewhere(entry, snapshot.info.processId)) return
    const { services } = this.#registry.facts()
    this.traffic.take({
      processId: snapshot.info.processId,
      from: callerName(entry),
      nameOf: (called) => serviceOfName(called, services),
      previous: previous?.snapshot,
      previousAt: previous?.at ?? at,
      current: snapshot,
      at,
    })
  }

  #isCountedElsewhere(entry: ProcessEntry, processId: string): boolean {
    const other = this.#counting.get(processId)
    if (other && other !== entry && other.state === 'answers' && isSameProcess(other, entry)) return true
    this.#counting.set(processId, entry)
    return false
  }

  /** The service that a called name means, such as `orders` for `orders:admin`. */
  nameOf(called: string): string {
    return serviceOfName(called, this.#registry.facts().services)
  }

  /** Builds the model of this moment. */
  update(now: number): FleetModel {
    const { source, url } = this.#options
    const { model, joined } = buildModel({
      now,
      registry: { ...this.#registry.facts(), name: source.name, url },
      entries: [...this.table.entries],
      omittedProcesses: this.#omittedProcesses,
      traffic: this.traffic,
      views: this.views,
      health: this.#health,
    })
    const { problems, omitted } = this.#problems.judge({
      now,
      model,
      services: new Map(model.services.map((service) => [service.service, service])),
      processes: new Map(model.processes.map((process) => [process.processId, process])),
      clashes: joined.clashes,
      nameOf: (called) => this.nameOf(called),
      pair: (processId, to) => this.traffic.pair(processId, to, now),
      views: (service) => this.views.of(service, now),
    })
    this.#joined = joined
    this.#model = {
      ...model,
      problems,
      changes: this.#changes.note(model),
      omitted: { ...model.omitted, problems: omitted },
    }
    return this.#model
  }
}
