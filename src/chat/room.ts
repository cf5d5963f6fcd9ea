/** Who is there, under which names, and who hears what. It knows nothing of connections. */
import { MAX_NAMES, type Message, Outgoing } from './chat-protocol.js'

/** Whoever hears what others say. Returns a promise if much waits already. */
export interface Hearer {
  tell(message: Outgoing): Promise<void> | undefined
}

/** The most characters of a name. */
const MAX_NAME = 32

export class Room {
  /** True if there can be more than two, so that each line needs the name of who has said it. */
  readonly isRoom: boolean
  /** The name of this side. */
  readonly host: string
  /** Everybody else, with their names. */
  readonly #members = new Map<Hearer, string>()
  /** The names in lower case, so that no two can be taken for each other. */
  readonly #taken: Set<string>

  constructor(host: string, isRoom: boolean) {
    this.host = host
    this.isRoom = isRoom
    this.#taken = new Set([host.toLowerCase()])
  }

  get size(): number {
    return this.#members.size
  }

  nameOf(member: Hearer): string | undefined {
    return this.#members.get(member)
  }

  /** The names of all. */
  get names(): string[] {
    return [this.host, ...this.#members.values()]
  }

  /** Lets a member in, and tells the others. Returns the name that it gets: the wanted one, or with a number behind it. */
  join(member: Hearer, wanted: string): string {
    let name = wanted
    for (let number = 2; this.#taken.has(name.toLowerCase()); number++) {
      const suffix = `-${number}`
      name = `${Array.from(wanted.slice(0, MAX_NAME - suffix.length))
        .filter(isWhole)
        .join('')}${suffix}`
    }
    if (this.isRoom) this.#tellAll({ joined: name })
    this.#members.set(member, name)
    this.#taken.add(name.toLowerCase())
    return name
  }

  /** Lets a member go, and tells the others. Returns its name, or undefined if it was not there. */
  leave(member: Hearer): string | undefined {
    const name = this.#members.get(member)
    if (name === undefined) return undefined
    this.#members.delete(member)
    this.#taken.delete(name.toLowerCase())
    if (this.isRoom) this.#tellAll({ left: name })
    return name
  }

  /** Everybody but `except` hears a line. Returns a promise if much waits for somebody. */
  say(from: string, text: string, except?: Hearer): Promise<void> | undefined {
    return this.#tellAll(this.isRoom ? { say: text, from } : { say: text }, except)
  }

  /** Tells one member who is there. */
  tellNames(member: Hearer): void {
    member.tell(new Outgoing({ who: this.names.slice(0, MAX_NAMES) }, this.isRoom))
  }

  #tellAll(message: Message, except?: Hearer): Promise<void> | undefined {
    const outgoing = new Outgoing(message, this.isRoom)
    let waiting: Promise<void> | undefined
    for (const member of this.#members.keys()) if (member !== except) waiting = member.tell(outgoing) ?? waiting
    return waiting
  }
}

/** False for half of a character that was cut in two. */
function isWhole(character: string): boolean {
  return character.isWellFormed()
}
