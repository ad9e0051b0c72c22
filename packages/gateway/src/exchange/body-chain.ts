import type { BodyOutput, BodyTransform, CreateBodyTransform } from '../filters/body-transform.ts'
import type { Downstream } from './downstream.ts'

/** The exchange whose response is transformed. */
export interface TransformOwner {
  /** The first transform takes more. */
  onTransformDrain(): void
  /** The last transform has passed on everything. */
  onTransformEnd(rawTrailers: readonly string[]): void
  onTransformError(thrown: unknown): void
}

/** Sends a body through transforms, one after the other, with back-pressure. */
export class BodyChain {
  readonly #stages: BodyTransform[] = []
  readonly #downstream: Pick<Downstream, 'write'>
  readonly #owner: TransformOwner
  #isOver = false

  constructor(creators: readonly CreateBodyTransform[], downstream: Pick<Downstream, 'write'>, owner: TransformOwner) {
    this.#downstream = downstream
    this.#owner = owner
    for (const [index, create] of creators.entries()) this.#stages.push(create(this.#outputOf(index)))
  }

  /** Returns false if the sender should wait. */
  write(chunk: Uint8Array): boolean {
    return this.#write(0, chunk)
  }

  /** The body is complete. */
  end(rawTrailers: readonly string[]): void {
    this.#finish(0, rawTrailers)
  }

  /** The client takes more. */
  resume(): void {
    this.#resume(this.#stages.length - 1)
  }

  /** Ends the transforms. Idempotent. */
  destroy(): void {
    this.#isOver = true
    for (const stage of this.#stages) stage.destroy?.()
  }

  #outputOf(index: number): BodyOutput {
    return {
      write: (chunk) => this.#write(index + 1, chunk),
      end: (rawTrailers = []) => this.#finish(index + 1, rawTrailers),
      drain: () => this.#resume(index - 1),
      fail: (error) => this.#fail(error),
    }
  }

  #write(index: number, chunk: Uint8Array): boolean {
    const next = this.#stages[index]
    return this.#attempt(() => (next ?? this.#downstream).write(chunk)) ?? true
  }

  #finish(index: number, rawTrailers: readonly string[]): void {
    const next = this.#stages[index]
    this.#attempt(() => (next ? next.end(rawTrailers) : this.#owner.onTransformEnd(rawTrailers)))
  }

  /** A transform that keeps no chunks lets those before it continue. */
  #resume(index: number): void {
    const stage = this.#stages[index]
    if (!stage) this.#attempt(() => this.#owner.onTransformDrain())
    else if (stage.resume) this.#attempt(() => stage.resume?.())
    else this.#resume(index - 1)
  }

  #attempt<T>(step: () => T): T | undefined {
    if (this.#isOver) return undefined
    try {
      return step()
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.onTransformError(error)
  }
}
