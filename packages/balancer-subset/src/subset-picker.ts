import {
  type Balancer,
  type CallPickRequest,
  type Endpoint,
  type EndpointView,
  type HeaderFields,
  hasTelemetrySubscribers,
  type Picker,
  publishTelemetry,
  type ServiceInstance,
  type TelemetryEvents,
} from '@sd/core'

/** Options of {@link SubsetPicker}. */
export interface SubsetPickerOptions {
  /** Name of the balancer. */
  readonly name: string
  /** Identifies the balancer. Pickers of another balancer are not reused. */
  readonly owner: object
  /** Picks within a subset. */
  readonly inner: Balancer
  /** Returns the label of a request. */
  readonly label: (request: CallPickRequest) => string | undefined
  /** The subset of an instance; empty for the base. */
  readonly subsetOf: (instance: ServiceInstance) => string
  /** Whether to use the base if a subset has no available instance. */
  readonly fallsBack: boolean
  /** The previous picker. */
  readonly before: SubsetPicker | undefined
}

interface MutableView extends EndpointView {
  readonly endpoints: Endpoint[]
  readonly candidates: Endpoint[]
  readonly given: number[]
}

/** Picks from the subset of a request's label. */
export class SubsetPicker implements Picker {
  readonly owner: object
  /** Inner pickers by subset; the base is ''. */
  readonly pickers: ReadonlyMap<string, Picker>
  /** Defined only if an inner picker has it. Without it the cluster need not report every request. */
  readonly changed?: (endpoint: Endpoint) => void
  /** Defined only if an inner picker has it. */
  readonly responded?: (endpoint: Endpoint, headers: HeaderFields) => void
  readonly #name: string
  readonly #service: string
  readonly #label: SubsetPickerOptions['label']
  readonly #fallsBack: boolean

  constructor(view: EndpointView, { name, owner, inner, label, subsetOf, fallsBack, before }: SubsetPickerOptions) {
    this.owner = owner
    this.#name = name
    this.#service = view.endpoints[0]?.instance.service ?? ''
    this.#label = label
    this.#fallsBack = fallsBack
    const views = splitView(view, subsetOf)
    this.pickers = new Map(Array.from(views, ([name, subset]) => [name, inner.createPicker(subset, before?.pickers.get(name))]))
    const inners = [...this.pickers.values()]
    const wantsChanges = inners.some(({ changed }) => changed)
    const wantsResponses = inners.some(({ responded }) => responded)
    if (wantsChanges || wantsResponses) {
      const owners = new Map<Endpoint, Picker>()
      for (const [name, { endpoints }] of views) {
        for (const endpoint of endpoints) owners.set(endpoint, this.pickers.get(name) as Picker)
      }
      if (wantsChanges) this.changed = (endpoint) => owners.get(endpoint)?.changed?.(endpoint)
      if (wantsResponses) this.responded = (endpoint, headers) => owners.get(endpoint)?.responded?.(endpoint, headers)
    }
  }

  pick(request: CallPickRequest): Endpoint | undefined {
    const label = this.#label(request) ?? ''
    const found = this.pickers.get(label)?.pick(request)
    if (found || label === '' || !this.#fallsBack) {
      this.#note(request, label, found ? 'subset' : 'none')
      return found
    }
    const other = this.pickers.get('')?.pick(request)
    this.#note(request, label, other ? 'base' : 'none')
    return other
  }

  /** Publishes a decision. Labels come from outside, so those of no instance are not passed on. */
  #note({ isProbe }: CallPickRequest, label: string, outcome: TelemetryEvents['sd:v1:subset:pick']['outcome']): void {
    if (isProbe || this.#service === '' || !hasTelemetrySubscribers('sd:v1:subset:pick')) return
    const subset = label === '' || this.pickers.has(label) ? label : 'unknown'
    publishTelemetry('sd:v1:subset:pick', { balancer: this.#name, service: this.#service, subset, outcome })
  }
}

/** Splits a view by subset. */
function splitView(
  { endpoints, weights, epoch, candidates = endpoints }: EndpointView,
  subsetOf: SubsetPickerOptions['subsetOf'],
): ReadonlyMap<string, EndpointView> {
  const parts = new Map<string, MutableView>()
  function partOf({ instance }: Endpoint): MutableView {
    const name = subsetOf(instance)
    const known = parts.get(name)
    if (known) return known
    const made: MutableView = { endpoints: [], candidates: [], given: [], weights: new Float64Array(), epoch }
    parts.set(name, made)
    return made
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const part = partOf(endpoint)
    part.endpoints.push(endpoint)
    part.given.push(weights[index] as number)
  }
  for (const endpoint of candidates) partOf(endpoint).candidates.push(endpoint)
  return new Map(
    Array.from(parts, ([name, part]) => [
      name,
      { endpoints: part.endpoints, candidates: part.candidates, weights: Float64Array.from(part.given), epoch },
    ]),
  )
}
