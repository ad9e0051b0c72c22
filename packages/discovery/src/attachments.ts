import type {
  AttachedBalancer,
  Balancer,
  CallPickRequest,
  Endpoint,
  EndpointView,
  HeaderFields,
  Picker,
  PickRequest,
} from '@sd/core'

/** What balancers are attached to. */
export interface AttachmentSource {
  /** The view as of now. */
  readonly currentView: () => EndpointView
  /** An endpoint whose trial is due was picked. @returns whether it is to be attempted */
  mayTry(endpoint: Endpoint, isRepeatable: boolean): boolean
}

/** The balancers at work on one cluster. Keeps their pickers in step: a picker is rebuilt at the first pick after the view changed. */
export class Attachments {
  readonly #source: AttachmentSource
  readonly #attached = new Set<Attachment>()

  constructor(source: AttachmentSource) {
    this.#source = source
  }

  /** Number of attached balancers. */
  get size(): number {
    return this.#attached.size
  }

  /** Puts a balancer to work. */
  attach(balancer: Balancer): AttachedBalancer {
    const attachment = new Attachment(balancer, this.#source, () => this.#attached.delete(attachment))
    this.#attached.add(attachment)
    return attachment
  }

  /** Tells the pickers that want to know that load or availability of an endpoint changed. */
  changed(endpoint: Endpoint): void {
    for (const attachment of this.#attached) attachment.changed(endpoint)
  }
}

class Attachment implements AttachedBalancer {
  readonly balancer: Balancer
  readonly detach: () => void
  readonly #source: AttachmentSource
  #view: EndpointView
  #picker: Picker

  constructor(balancer: Balancer, source: AttachmentSource, detach: () => void) {
    this.balancer = balancer
    this.detach = detach
    this.#source = source
    this.#view = source.currentView()
    this.#picker = balancer.createPicker(this.#view)
  }

  pick(request: PickRequest): Endpoint | undefined {
    const view = this.#source.currentView()
    if (view !== this.#view) {
      this.#picker = this.balancer.createPicker(view, this.#picker)
      this.#view = view
    }
    const endpoint = this.#picker.pick(request)
    return endpoint?.isTrial && !request.isProbe ? this.#pickForTrial(endpoint, request) : endpoint
  }

  changed(endpoint: Endpoint): void {
    this.#picker.changed?.(endpoint)
  }

  answered(endpoint: Endpoint, headers: HeaderFields): void {
    this.#picker.answered?.(endpoint, headers)
  }

  /** An endpoint that is out but to be tried was picked: leaves it to a request that may be repeated, where there is another one. */
  #pickForTrial(endpoint: Endpoint, request: CallPickRequest): Endpoint {
    const { attempted = [], repeatable = true } = request
    if (this.#source.mayTry(endpoint, repeatable)) return endpoint
    const { service, method, path, headers, hashKey } = request
    const others = { service, method, path, headers, hashKey, attempted: [...attempted, endpoint] } as CallPickRequest
    const other = this.#picker.pick(others)
    if (other && (!other.isTrial || this.#source.mayTry(other, true))) return other
    this.#source.mayTry(endpoint, true)
    return endpoint
  }
}
