/** The input of `tcp-chat` in a pipe: what another program writes is said, or obeyed. */
import { LineReader } from '../chat/lines.js'
import type { Talk } from '../chat/talk.js'
import type { ChatOutput } from './chat-output.js'
import { leavingWord } from './chat-terminal.js'

/** Waits until there is somebody to hear what is said. */
export class Audience {
  #resolve!: (isThere: boolean) => void
  #next = this.#wait()
  #isOver = false

  #wait(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Resolves when somebody has come, with false if the conversation is over. */
  async come(): Promise<boolean> {
    return !this.#isOver && (await this.#next)
  }

  gather(): void {
    this.#resolve(true)
    this.#next = this.#wait()
  }

  /** Ends the input, too: nobody hears it any more. */
  end(): void {
    this.#isOver = true
    this.#resolve(false)
    process.stdin.destroy()
  }
}

/** Says what is read from standard input, line by line, as fast as the others take it. */
export async function sayInput(talk: Talk, audience: Audience, output: ChatOutput): Promise<void> {
  const reader = new LineReader()
  const take = async (line: string) => {
    const word = leavingWord(line)
    if (word !== undefined) talk.leave(word)
    else if (line === '/who') {
      output.onEvent({ event: 'notice', message: `here: ${(await talk.who()).join(', ')}` })
    } else while (!(await talk.say(line))) if (!(await audience.come())) return
  }
  try {
    for await (const bytes of process.stdin) {
      reader.push(bytes)
      for (let line = reader.take(); line !== null; line = reader.take()) await take(line)
    }
    if (reader.hasRest) await take(reader.takeRest())
  } catch {
    // An input that cannot be read is at its end.
  }
  talk.sayNoMore()
}
