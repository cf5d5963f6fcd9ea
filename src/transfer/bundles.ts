/** The bundles of a call: which connection belongs to which. */
import { Bundle } from '../links/bundle.js'

export class Bundles {
  /** The bundle of each name. Null if nobody has joined it yet. */
  readonly #known = new Map<string, Bundle | null>()
  readonly #running = new Set<Promise<void>>()
  readonly #window: number
  readonly #ahead: number

  /** @param window,ahead the most bytes that each bundle holds: on their way in, and on their way out (links/window.ts) */
  constructor(window: number, ahead = window) {
    this.#window = window
    this.#ahead = ahead
  }

  /**
   * A first connection has this name. `owner` tells who has proved which key. Returns false if another one has it: then
   * the bundle of that one must not be lost.
   */
  announce(owner: string, name: string): boolean {
    const id = idOf(owner, name)
    if (this.#known.has(id)) return false
    this.#known.set(id, null)
    return true
  }

  /** The bundle of that name, if a connection has joined it. */
  begun(owner: string, name: string): Bundle | undefined {
    return this.#known.get(idOf(owner, name)) ?? undefined
  }

  /** The bundle of that name, which begins now at the latest. Undefined if there is no such first connection. */
  find(owner: string, name: string): Bundle | undefined {
    const id = idOf(owner, name)
    const known = this.#known.get(id)
    if (known !== null) return known
    const bundle = new Bundle(this.#window, this.#ahead)
    this.#known.set(id, bundle)
    bundle.once('close', () => this.#known.delete(id))
    // Whoever uses it hears of its errors. It may fail before that.
    bundle.on('error', () => {})
    return bundle
  }

  /** The first connection has ended, and nobody uses its bundle if `isUsed` is false. */
  forget(owner: string, name: string, isUsed: boolean): void {
    if (isUsed) return
    const id = idOf(owner, name)
    this.#known.get(id)?.destroy()
    this.#known.delete(id)
  }

  /** Runs something to its end before the call ends. It never rejects. */
  run(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  /** Resolves when everything has ended that runs. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }
}

function idOf(owner: string, name: string): string {
  return `${owner} ${name}`
}
