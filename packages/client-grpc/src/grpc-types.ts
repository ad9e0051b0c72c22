/*
 * grpc-js' public types, as far as they are needed here. They are our own, because those of one version fit no other.
 */

/** Metadata of a call: `grpc.Metadata`. */
export interface GrpcMetadata {
  add(key: string, value: string | Buffer): void
  get(key: string): readonly (string | Buffer)[]
  /** One value of each key. */
  getMap(): Readonly<Record<string, string | Buffer>>
  /** The object that it was made with; clones have the same. */
  getOptions(): object
  toHttp2Headers(): Readonly<Record<string, number | string | readonly string[] | undefined>>
}

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata: GrpcMetadata
}

/** Told how a call goes; the status is the last. */
export interface GrpcListener {
  onReceiveMetadata(metadata: GrpcMetadata): void
  /** Once for each `startRead`. */
  onReceiveMessage(message: Buffer): void
  onReceiveStatus(status: GrpcStatus): void
}

/** What goes with a message. */
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

/** An incoming call for which another one is made. */
export interface ParentCall {
  getDeadline(): Date | number
  on(event: 'cancelled', listener: () => void): unknown
  removeListener(event: 'cancelled', listener: () => void): unknown
}

/** What a client sends its calls on: `grpc.Channel`. */
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
