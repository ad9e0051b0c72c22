import type { AttachedBalancer, Balancer, Endpoint, EndpointView, Picker, PickRequest } from '@sd/core'

/** The balancers at work on one cluster. */
export interface Attachments {
  /** Number of attached balancers. */
  readonly size: number
  /** Puts a balancer to work. */
  attach(balancer: Balancer): AttachedBalancer
  /** Tells the pickers that want to know that load or availability of an endpoint changed. */
  changed(endpoint: Endpoint): void
}

/** Keeps pickers in step with `currentView`: a picker is rebuilt at the first pick after the view changed. */
export function createAttachments(currentView: () => EndpointView): Attachments {
  const attached = new Set<Attachment>()
  return {
    get size() {
      return attached.size
    },
    attach(balancer) {
      const attachment = new Attachment(balancer, currentView, () => attached.delete(attachment))
      attached.add(attachment)
      return attachment
    },
    changed(endpoint) {
      for (const attachment of attached) attachment.changed(endpoint)
    },
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
