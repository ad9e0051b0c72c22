/** Bytes before each message: a flag, and the length as 32 bits. */
const prefixBytes = 5

/** Counts the messages of a body by their prefixes, in chunks of any size. */
export class MessageCounter {
  count = 0
  /** Rest of the current message. */
  #left = 0
  /** Bytes of a prefix that is not complete, and the length so far. */
  #prefix = 0
  #length = 0

  read(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - at)
        this.#left -= skipped
        at += skipped
      } else this.#readPrefix(chunk[at++] as number)
    }
  }

  #readPrefix(byte: number): void {
    if (this.#prefix > 0) this.#length = this.#length * 256 + byte
    if (++this.#prefix < prefixBytes) return
    this.count++
    this.#left = this.#length
    this.#prefix = 0
    this.#length = 0
  }
}
