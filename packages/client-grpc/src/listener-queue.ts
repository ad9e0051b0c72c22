import type { GrpcListener, GrpcMetadata, GrpcStatus } from './grpc-types.ts'

/**
 * Pending events for the listener of a call, in order: header fields, messages as it requests them, status. They are
 * delivered outside of the client's own steps, so that an exception in the listener is its own.
 */
export class ListenerQueue {
  #listener: GrpcListener | undefined
  #head: GrpcMetadata | undefined
  readonly #messages: Buffer[] = []
  #reads = 0
  #status: GrpcStatus | undefined
  #isDelivered = false
  #isFlushing = false

  /** Starts delivering events. */
  start(listener: GrpcListener): void {
    this.#listener = listener
  }

  /** Whether the listener has received its status. */
  get isDelivered(): boolean {
    return this.#isDelivered
  }

  /** The status, if there is one; `undefined` withdraws one that was not delivered. */
  get status(): GrpcStatus | undefined {
    return this.#status
  }

  set status(status: GrpcStatus | undefined) {
    this.#status = status
    if (status) this.#flushSoon()
  }

  /** Whether the listener has requested any message. */
  get hasReads(): boolean {
    return this.#reads > 0
  }

  /** Whether the listener has requested more messages than there are. */
  get wantsMore(): boolean {
    return this.#messages.length < this.#reads
  }

  /** The listener requests a message. */
  read(): void {
    this.#reads++
    this.#flushSoon()
  }

  /** The header fields arrived, if there are any. */
  addHead(head: GrpcMetadata | undefined): void {
    if (head) this.#head = head
    this.#flushSoon()
  }

  /** A message arrived. */
  addMessage(message: Buffer): void {
    this.#messages.push(message)
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    const listener = this.#listener
    if (!listener || this.#isDelivered) return
    const head = this.#head
    this.#head = undefined
    if (head) listener.onReceiveMetadata(head)
    while (this.#reads > 0 && this.#messages.length > 0 && !this.#isDelivered) {
      this.#reads--
      listener.onReceiveMessage(this.#messages.shift() as Buffer)
    }
    const status = this.#status
    if (!status || this.#isDelivered || (status.code === 0 && this.#messages.length > 0)) return
    this.#isDelivered = true
    listener.onReceiveStatus(status)
  }
}
