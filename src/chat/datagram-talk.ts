/** A conversation over UDP, as the library and the command see any conversation. */
import { asTransferError, interruption, type TransferError } from '../errors.js'
import { type DatagramEvent, type Datagrams, dialDatagrams, listenForDatagrams } from './datagrams.js'
import { nobodyCame } from './kind.js'
import { linesOf } from './lines.js'
import type { Report } from './report.js'
import type { Talk, TalkOptions, TalkSummary } from './talk.js'

export interface DatagramTalkOptions extends TalkOptions {
  listen: boolean
  room: boolean
  allowFrom: readonly string[] | undefined
}

export class DatagramTalk implements Talk {
  readonly #options: DatagramTalkOptions
  readonly #report: Report
  #datagrams!: Datagrams
  /** Why it has ended before it was meant to. */
  #failure: TransferError | null = null
  #waiting: NodeJS.Timeout | undefined

  constructor(options: DatagramTalkOptions, report: Report) {
    this.#options = options
    this.#report = report
    report.onFault = (error) => this.#fail(error)
  }

  get address(): Talk['address'] {
    const { address, port } = this.#datagrams
    return this.#options.listen ? { address, port } : null
  }

  get finished(): Promise<TalkSummary> {
    return this.#report.finished
  }

  /** Opens the socket. Throws a TransferError if it cannot. */
  async open(): Promise<this> {
    const { listen, host, port, room, allowFrom, wait, signal } = this.#options
    const onEvent = (event: DatagramEvent) => this.#onEvent(event)
    this.#datagrams = await (listen
      ? listenForDatagrams({ host, port, room, allowFrom, onEvent })
      : dialDatagrams({ host: host as string, port, onEvent }))
    const interrupt = () => this.#fail(interruption(signal))
    signal.addEventListener('abort', interrupt)
    if (signal.aborted) interrupt()
    // What the first event has thrown came before there was anything to end.
    if (this.#failure) this.#fail(this.#failure)
    if (listen && wait !== undefined) this.#waiting = setTimeout(() => this.#fail(nobodyCame(wait)), wait)
    const end = (error: TransferError | null) => {
      signal.removeEventListener('abort', interrupt)
      clearTimeout(this.#waiting)
      this.#report.end(this.#failure ?? error)
    }
    this.#datagrams.finished.then(() => end(null), end)
    return this
  }

  #onEvent(event: DatagramEvent): Promise<void> | undefined {
    if (event.event === 'joined') clearTimeout(this.#waiting)
    if (event.event === 'line') this.#report.linesIn++
    return this.#report.emit(event)
  }

  #fail(error: TransferError): void {
    this.#failure ??= error
    void this.#datagrams?.leave()
  }

  async say(text: string): Promise<boolean> {
    for (const line of linesOf(text)) {
      if (this.#datagrams.who().length === 0) return false
      try {
        await this.#datagrams.say(line)
        this.#report.linesOut++
      } catch (error) {
        this.#report.emit({ event: 'notice', message: asTransferError(error).message })
      }
    }
    return true
  }

  async who(): Promise<string[]> {
    return this.#datagrams.who()
  }

  /** Nobody would notice the end of a side that listens, so that goes on. */
  sayNoMore(): void {
    if (!this.#options.listen) this.leave()
  }

  /** Over UDP, nobody is told but with `word`. */
  leave(word?: string): void {
    const said = word === undefined ? Promise.resolve(true) : this.say(word)
    void said.then(() => this.#datagrams.leave())
  }
}
