/** Makes a request and reads its response. */
export type Send = () => Promise<string>

/** Where servers listen on loopback. */
export interface Ports {
  /** Of HTTP. */
  readonly http: readonly number[]
  /** Of moleculer's TCP transport. */
  readonly moleculer: number
}

/** One way of calling. */
export interface Caller {
  /** Name in the table. */
  readonly name: string
  /** Most CPU that it may take as a ratio to the first. */
  readonly limit?: number
  /** Connects it. */
  readonly create: (ports: Ports) => Send | Promise<Send>
}
