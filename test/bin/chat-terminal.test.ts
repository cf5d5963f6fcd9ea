/** `tcp-chat` at a terminal. */
import t, { type Test } from 'tap'
import { AtTerminal, withoutTerminal } from '../fixtures/at-terminal.ts'
import { commandLine, start, startChat } from '../fixtures/commands.ts'

const skip = withoutTerminal

/** `tcp-chat` at a terminal, when it has joined. Its stdout or stderr can go to a file. */
async function chatAt(t: Test, columns: number, args: string[], redirection = ''): Promise<AtTerminal> {
  const command = [process.execPath, ...commandLine('tcp-chat', true), ...args]
  const script = `exec ${command.map((word) => `'${word}'`).join(' ')} ${redirection}`
  return new AtTerminal(t, columns, 'sh', ['-c', script], { covered: true })
}

for (const columns of [80, 40]) {
  t.test(`two talk at ${columns} columns, one of them in a pipe`, { skip }, async (t) => {
    const bob = await startChat(t, ['--name', 'bob', '--once'], { input: 'pipe' })
    const anna = await chatAt(t, columns, ['--name', 'anna', '127.0.0.1', bob.port])
    await anna.shows('a prompt', ({ lines }) => lines.at(-1) === '>')
    t.same(anna.terminal.lines, ['tcp-chat: talking to bob; you are anna', '>'])
    anna.type('hello bob\rI am ty')
    await bob.says('stdout', /^hello bob\n$/)
    await bob.write('hello \u001b[2Janna\n')
    await anna.shows('the answer', ({ lines }) => lines.at(-2)?.startsWith('hello') === true)
    anna.type('ping\r//who\r/who\r/what\r')
    await bob.says('stdout', /I am typing\n\/who\n/)
    await anna.shows('the names', ({ lines }) => lines.some((line) => line.includes('here: ')))
    anna.type('q\r')
    t.equal((await anna.done).code, 0)
    t.equal((await bob.done).code, 0)
    t.same(
      anna.terminal.lines.filter((line) => !line.startsWith('tcp-chat: ')),
      ['> hello bob', 'hello \\u{1b}[2Janna', '> I am typing', '> //who', '> /who', '> /what', '> q'],
    )
    t.same(
      anna.terminal.lines.filter((line) => line.startsWith('tcp-chat: ')),
      [
        'tcp-chat: talking to bob; you are anna',
        'tcp-chat: here: bob, anna',
        'tcp-chat: that is no command: there are /who and /quit; //text says /text',
      ],
    )
  })
}

t.test('Ctrl-D and /quit end it for both, and Ctrl-C with its status', { skip }, async (t) => {
  for (const [keys, code] of [
    ['\u0004', 0],
    ['/quit\r', 0],
    ['half\u0003', 130],
  ] as const) {
    const bob = await startChat(t, ['--name', 'bob', '--once'], { input: 'pipe' })
    const anna = await chatAt(t, 80, ['--name', 'anna', '127.0.0.1', bob.port])
    await anna.shows('a prompt', ({ lines }) => lines.at(-1) === '>')
    anna.type(keys)
    t.equal((await anna.done).code, code)
    t.match(await bob.done, { stderr: /anna has left/ })
    t.not(anna.terminal.lines.at(-1), '>', 'nothing of the prompt is left')
  }
})

t.test('a side that listens says what nobody could hear', { skip }, async (t) => {
  const bob = await chatAt(t, 80, ['--name', 'bob', '--host', '127.0.0.1', '--port', '0'])
  await bob.shows('a prompt', ({ lines }) => lines.at(-1) === '>')
  bob.type('hello?\r')
  await bob.shows('a notice', ({ lines }) => lines.at(-2) === 'tcp-chat: nobody is there, so that was not said')
  const [, port] = /:(\d+)/.exec(bob.terminal.lines[0] ?? '') ?? []
  bob.type('to who')
  const anna = start(t, 'tcp-chat', ['--name', 'anna', '127.0.0.1', port as string], { input: 'pipe' })
  await bob.shows('the partner', ({ lines }) => /anna has joined/.test(lines.at(-2) ?? ''))
  bob.type('m\r')
  await anna.says('stdout', /^to whom\n$/)
  bob.type('Q\r')
  t.equal((await bob.done).code, 0)
  t.equal((await anna.done).code, 0)
})

t.test('what others say goes to a file, and the rest to the terminal', { skip }, async (t) => {
  const folder = t.testdir()
  const bob = await startChat(t, ['--name', 'bob', '--once'], { input: 'pipe' })
  const anna = await chatAt(t, 80, ['--name', 'anna', '127.0.0.1', bob.port], `> '${folder}/said'`)
  await anna.shows('a prompt', ({ lines }) => lines.at(-1) === '>')
  await bob.write('one\ntwo\nQ\n')
  t.equal((await anna.done).code, 0)
  t.match(anna.terminal.lines, ['tcp-chat: talking to bob; you are anna', 'tcp-chat: bob has left'])
  const { readFileSync } = await import('node:fs')
  t.equal(readFileSync(`${folder}/said`, 'utf8'), 'one\ntwo\n')
})

t.test('--json leaves the terminal as it is', { skip }, async (t) => {
  const bob = await startChat(t, ['--name', 'bob', '--once'], { input: 'pipe' })
  const anna = await chatAt(t, 300, ['--json', '--name', 'anna', '127.0.0.1', bob.port])
  await anna.shows('an event', ({ lines }) => lines.some((line) => line.includes('"event":"joined"')))
  anna.type('hello\n')
  await bob.says('stdout', /^hello\n$/)
  anna.type('Q\n')
  t.equal((await anna.done).code, 0)
  t.notMatch(anna.terminal.written, '\u001b')
})
