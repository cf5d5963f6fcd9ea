/** A conversation at a terminal: what a person types is said, or obeyed. */
import type { Talk } from '../chat/talk.js'
import type { ChatOutput } from './chat-output.js'
import type { ChatScreen } from './chat-screen.js'

/** Takes the terminal until `close`, and what is typed there. Returns null if there is no terminal to type at. */
export async function talkAtTerminal(talk: Talk, output: ChatOutput): Promise<ChatScreen | null> {
  const { stdin, stdout, stderr } = process
  const terminal = stdout.isTTY ? stdout : stderr
  if (output.isJson || !stdin.isTTY || !terminal.isTTY) return null
  // It loads the tables of Unicode, which nobody needs in a pipe.
  const { createChatScreen } = await import('./chat-screen.js')
  let said = Promise.resolve()
  const screen = createChatScreen(stdin, terminal, {
    line(text) {
      const word = leavingWord(text)
      if (word === undefined) said = said.then(() => obey(text, talk, output))
      else talk.leave(word)
    },
    end: () => talk.leave(),
    // As without a screen: it ends the conversation, and a second one does not wait for that.
    interrupt: () => process.kill(process.pid, 'SIGINT'),
  })
  output.showOn(screen, terminal === stdout)
  return screen
}

/** What a plain partner is sent if a line ends the conversation, `Q` for `/quit`. Undefined for any other line. */
export function leavingWord(line: string): string | undefined {
  if (line === '/quit') return 'Q'
  return /^q$/i.test(line) ? line : undefined
}

async function obey(line: string, talk: Talk, output: ChatOutput): Promise<void> {
  if (line === '/who') output.note(`here: ${(await talk.who()).join(', ')}`)
  else if (/^\/(?!\/)/.test(line)) output.note('that is no command: there are /who and /quit; //text says /text')
  else if (!(await talk.say(line.replace(/^\/\//, '/')))) output.note('nobody is there, so that was not said')
}
