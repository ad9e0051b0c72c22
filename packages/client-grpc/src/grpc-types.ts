/*
 * The parts of grpc-js' public types that this package uses. They are declared here, because those of one version do not
 * fit another.
 */

/** Metadata of a call: `grpc.Metadata`. */
export interface GrpcMetadata {
  add(key: string, value: string | Buffer): void
  get(key: string): readonly (string | Buffer)[]
  /** One value for each key. */
  getMap(): Readonly<Record<string, string | Buffer>>
  /** The options object it was created with. Clones share it. */
  getOptions(): object
  toHttp2Headers(): Readonly<Record<string, number | string | readonly string[] | undefined>>
}

/** Result of a call. */
export interface GrpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata: GrpcMetadata
}

/** Receives the events of a call. The status is the last one. */
export interface GrpcListener {
  onReceiveMetadata(metadata: GrpcMetadata): void
  /** Once for each `startRead`. */
  onReceiveMessage(message: Buffer): void
  onReceiveStatus(status: GrpcStatus): void
}

/** Options of a message. */
export interface MessageContext {
  /** Called when the next message may be sent. */
  readonly callback?: ((error?: Error | null) => void) | undefined
  readonly flags?: number | undefined
}

/** A call of a channel, with messages as bytes. */
export interface ChannelCall {
  start(metadata: GrpcMetadata, listener: GrpcListener): void
  sendMessageWithContext(context: MessageContext, message: Buffer): void
  startRead(): void
  halfClose(): void
  cancelWithStatus(code: number, details: string): void
  getPeer(): string
  getCallNumber(): number
  setCredentials(credentials: object): void
  /** Since 1.14. */
  getAuthContext?(): object | null
}

/** An incoming call that an outgoing call is made for. */
export interface ParentCall {
  getDeadline(): Date | number
  on(event: 'cancelled', listener: () => void): unknown
  removeListener(event: 'cancelled', listener: () => void): unknown
}

/** A channel on which a client sends its calls: `grpc.Channel`. */
export interface GrpcChannel {
  close(): void
  getTarget(): string
  getConnectivityState(tryToConnect: boolean): number
  watchConnectivityState(current: number, deadline: Date | number, callback: (error?: Error) => void): void
  getChannelzRef(): object
  createCall(
    path: string,
    deadline: Date | number,
    host: string | null | undefined,
    parent: ParentCall | null,
    propagateFlags: number | null | undefined,
  ): ChannelCall
}
