import type { AttachedBalancer, Balancer, Endpoint, EndpointView, Picker, PickRequest } from '@sd/core'

/** The balancers at work on one cluster. Keeps their pickers in step: a picker is rebuilt at the first pick after the view changed. */
export class Attachments {
  readonly #currentView: () => EndpointView
  readonly #attached = new Set<Attachment>()

  constructor(currentView: () => EndpointView) {
    this.#currentView = currentView
  }

  /** Number of attached balancers. */
  get size(): number {
    return this.#attached.size
  }

  /** Puts a balancer to work. */
  attach(balancer: Balancer): AttachedBalancer {
    const attachment = new Attachment(balancer, this.#currentView, () => this.#attached.delete(attachment))
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
  readonly #currentView: () => EndpointView
  #view: EndpointView
  #picker: Picker

  constructor(balancer: Balancer, currentView: () => EndpointView, detach: () => void) {
    this.balancer = balancer
    this.detach = detach
    this.#currentView = currentView
    this.#view = currentView()
    this.#picker = balancer.createPicker(this.#view)
  }

  pick(request: PickRequest): Endpoint | undefined {
    const view = this.#currentView()
    if (view !== this.#view) {
      this.#picker = this.balancer.createPicker(view, this.#picker)
      this.#view = view
    }
    return this.#picker.pick(request)
  }

  changed(endpoint: Endpoint): void {
    this.#picker.changed?.(endpoint)
  }
}
