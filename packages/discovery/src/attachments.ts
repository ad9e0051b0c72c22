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

/** What {@link Attachments} needs from its cluster. */
export interface AttachmentSource {
  /** The current view. */
  readonly currentView: () => EndpointView
  /** Called when a picker chose an endpoint whose trial is due. @returns whether the endpoint may be attempted */
  mayTry(endpoint: Endpoint, isRepeatable: boolean): boolean
}

/** The balancers attached to one cluster. A picker is rebuilt at the first pick after the view changed. */
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

  /** Attaches a balancer. */
  attach(balancer: Balancer): AttachedBalancer {
    const attachment = new Attachment(balancer, this.#source, () => this.#attached.delete(attachment))
    this.#attached.add(attachment)
    return attachment
  }

  /** Notifies the pickers that the load or the availability of an endpoint changed. */
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

  responded(endpoint: Endpoint, headers: HeaderFields): void {
    this.#picker.responded?.(endpoint, headers)
  }

  /**
   * The picker chose an endpoint that is out and due for a trial. A request that can't be repeated goes to another
   * endpoint, if there is one.
   */
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
