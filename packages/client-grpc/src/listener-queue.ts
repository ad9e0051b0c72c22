import type { GrpcListener, GrpcMetadata, GrpcStatus } from './grpc-types.ts'

/**
 * What the listener of a call is still to be told, in order: header fields, messages as it asks for them, status. It is told outside of the
 * client's own steps, so that what it throws is its own.
 */
export class ListenerQueue {
  #listener: GrpcListener | undefined
  #head: GrpcMetadata | undefined
  readonly #messages: Buffer[] = []
  #reads = 0
  #status: GrpcStatus | undefined
  #isTold = false
  #isFlushing = false

  /** From now on it is told. */
  start(listener: GrpcListener): void {
    this.#listener = listener
  }

  /** Whether the listener has its status. */
  get isTold(): boolean {
    return this.#isTold
  }

  /** The status, once there is one; `undefined` takes back one that was not told. */
  get status(): GrpcStatus | undefined {
    return this.#status
  }

  set status(status: GrpcStatus | undefined) {
    this.#status = status
    if (status) this.#flushSoon()
  }

  /** Whether the listener has asked for a message at all. */
  get hasReads(): boolean {
    return this.#reads > 0
  }

  /** Whether the listener has asked for more than there is. */
  get wantsMore(): boolean {
    return this.#messages.length < this.#reads
  }

  /** The listener asks for a message. */
  read(): void {
    this.#reads++
    this.#flushSoon()
  }

  /** The header fields came, if there are any. */
  addHead(head: GrpcMetadata | undefined): void {
    if (head) this.#head = head
    this.#flushSoon()
  }

  /** A message came. */
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
    if (!listener || this.#isTold) return
    const head = this.#head
    this.#head = undefined
    if (head) listener.onReceiveMetadata(head)
    while (this.#reads > 0 && this.#messages.length > 0 && !this.#isTold) {
      this.#reads--
      listener.onReceiveMessage(this.#messages.shift() as Buffer)
    }
    const status = this.#status
    if (!status || this.#isTold || (status.code === 0 && this.#messages.length > 0)) return
    this.#isTold = true
    listener.onReceiveStatus(status)
  }
}
