declare module 'hashring' {
  /** What of hashring the benchmark uses. */
  export default class HashRing {
    constructor(servers: readonly string[], algorithm: string, options: Readonly<Record<string, number>>)
    get(key: string): string
  }
}
