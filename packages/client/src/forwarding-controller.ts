import type { Dispatcher } from 'undici'

/** A controller that outlives single attempts: what it is told reaches the one that is under way, or the next. */
export class ForwardingController implements Dispatcher.DispatchController {
  #target: Dispatcher.DispatchController | undefined
  #reason: Error | null = null
  #paused = false

  /** Controls this attempt from now on. */
  follow(target: Dispatcher.DispatchController): void {
    this.#target = target
    if (this.#reason) target.abort(this.#reason)
    else if (this.#paused) target.pause()
  }

  get aborted(): boolean {
    return this.#reason !== null
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    return this.#reason
  }

  get rawHeaders(): NonNullable<Dispatcher.DispatchController['rawHeaders']> | null {
    return this.#target?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<Dispatcher.DispatchController['rawTrailers']> | null {
    return this.#target?.rawTrailers ?? null
  }

  abort(reason: Error): void {
    this.#reason ??= reason
    this.#target?.abort(reason)
  }

  pause(): void {
    this.#paused = true
    this.#target?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#target?.resume()
  }
}
