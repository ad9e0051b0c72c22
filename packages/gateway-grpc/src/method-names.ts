/** Methods that a service does not have end with this status. */
const unimplemented = 12

/**
 * Names of methods for statistics: a bounded number, because each one is a series of metrics. A method counts as soon as a
 * service has it, so that a client can't fill the table with names.
 */
export class MethodNames {
  readonly #names = new Set<string>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** The method of a path such as `/shop.Carts/Get`, or `other`. @param isAnswered whether a service has responded */
  nameOf(path: string, grpcStatus: number, isAnswered: boolean): string {
    if (this.#names.has(path)) return path
    const isName = path.length <= 200 && /^\/[\w.]+\/\w+$/.test(path)
    if (!isName || !isAnswered || grpcStatus === unimplemented || this.#names.size >= this.#max) return 'other'
    this.#names.add(path)
    return path
  }
}
