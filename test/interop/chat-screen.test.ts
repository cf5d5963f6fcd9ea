/** The screen of a chat at a real terminal: what the system does with its modes and signals. */
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { AtTerminal, withoutTerminal } from '../fixtures/at-terminal.ts'
import type { StartOptions } from '../fixtures/commands.ts'
import type { Terminal } from '../fixtures/terminal.ts'

const skip = withoutTerminal
const program = [
  process.execPath,
  `--import=${new URL('../fixtures/typescript.js', import.meta.url).href}`,
  fileURLToPath(new URL('../fixtures/chat-screen-program.ts', import.meta.url)),
]

async function chatAt(t: Test, columns: number, options?: StartOptions): Promise<AtTerminal> {
  const [node = '', ...args] = program
  const chat = new AtTerminal(t, columns, node, args, options)
  await chat.shows('a prompt', ({ lines }) => lines.at(-1) === '>')
  return chat
}

for (const columns of [80, 40, 20]) {
  t.test(`a person types at ${columns} columns while others speak, and leaves`, { skip }, async (t) => {
    const chat = await chatAt(t, columns)
    const long = '你好 hello 🎉 '.repeat(9).trim()
    chat.type(`${long}\rhalf`)
    await chat.shows('what was typed', ({ lines }) => lines.at(-1) === '> half')
    t.same(chat.terminal.lines, [`> ${long}`, `echo: ${long.toUpperCase()}`, '> half'])
    chat.type('\u0015\u0004')
    const { code } = await chat.done
    t.equal(code, 0)
    t.same(chat.terminal.lines.slice(2), ['the end'])
  })
}

t.test('lines that come at once scroll, and the window becomes narrower', { skip }, async (t) => {
  const chat = await chatAt(t, 60)
  const typed = 'x'.repeat(100)
  chat.type(`200 all\r${typed}`)
  await chat.shows('the line', ({ screen }) => screen.slice(-2).join('') === `> ${typed}`)
  chat.resize(30)
  await chat.shows('the line again', ({ screen }) => screen.slice(-4).join('') === `> ${typed}`)
  t.same(chat.terminal.screen.slice(0, -4), ['> 200 all', ...Array(200).fill('echo: ALL')])
})

t.test('Ctrl-C comes as a key, and the terminal is given back', { skip }, async (t) => {
  const chat = await chatAt(t, 80)
  chat.type('half\u0003')
  t.equal((await chat.done).code, 0)
  t.same(chat.terminal.lines, ['interrupted'])
})

t.test('Ctrl-Z gives the terminal to the shell, and fg takes it again', { skip }, async (t) => {
  const isShell = ({ lines }: Terminal) => /^[$#]$/.test(lines.at(-1) ?? '')
  const shell = new AtTerminal(t, 120, 'sh', ['-i'], { env: { TERM: 'dumb' } })
  await shell.shows('a prompt', isShell)
  shell.type(`TERM=xterm ${program.join(' ')}\n`)
  await shell.shows('a chat', ({ lines }) => lines.at(-1) === '>')
  shell.type('half')
  await shell.shows('what is typed', ({ lines }) => lines.at(-1) === '> half')
  shell.type('\u001a')
  await shell.shows('the shell', isShell)
  t.notOk(shell.terminal.lines.includes('> half'))
  shell.type('echo the shell e""choes\n')
  await shell.shows('what the shell echoes', ({ lines }) => lines.includes('the shell echoes'))
  shell.type('fg\n')
  await shell.shows('the chat again', ({ lines }) => lines.at(-1) === '> half')
  shell.type(' a line\r')
  await shell.shows('its line', ({ lines }) => lines.at(-2) === 'echo: HALF A LINE')
  shell.type('\u0004')
  await shell.shows('the shell in the end', (terminal) => isShell(terminal) && terminal.lines.includes('the end'))
  shell.hangUp()
  await shell.done
})

t.test('where nobody could make it go on, Ctrl-Z changes nothing', { skip }, async (t) => {
  const chat = await chatAt(t, 80)
  chat.type('ha\u001alf\r')
  await chat.shows('its line', ({ lines }) => lines.at(-2) === 'echo: HALF')
  t.same(chat.terminal.lines, ['> half', 'echo: HALF', '>'])
})

t.test('it ends when the window is closed', { skip }, async (t) => {
  const chat = await chatAt(t, 80)
  chat.hangUp()
  t.equal((await chat.done).code, 129, 'by the hang-up')
})

t.test('a terminal without cursor movements shows plain lines', { skip }, async (t) => {
  const [node = '', ...args] = program
  const chat = new AtTerminal(t, 80, node, args, { env: { TERM: 'dumb' } })
  chat.type('hello\n')
  await chat.shows('its line', ({ lines }) => lines.includes('echo: HELLO'))
  chat.type('\u0004')
  await chat.done
  t.same(chat.terminal.lines, ['hello', 'echo: HELLO', 'the end'])
  t.notMatch(chat.terminal.written, '\u001b')
})
